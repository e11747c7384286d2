"""The exchange in one process: its own rules and engine, a virtual clock and a seed, and no services.

What is decided, matched and cleared here is what the real one decides, matches and clears, by the same pure modules;
only the carrying differs: a queue of events in memory, in the place of RabbitMQ, Postgres and HTTP.
"""
