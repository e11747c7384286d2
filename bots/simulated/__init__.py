"""The exchange in one process: its own rules and engine, a virtual clock and a seed, and no services.

The same pure modules as in the real exchange decide, match and clear. Only the transport differs: a queue of events in
memory takes the place of RabbitMQ, Postgres and HTTP.
"""
