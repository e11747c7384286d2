"""The speed of order execution, the size of a trade on disk, and the time of an audit.

The rules of the stages admit and match orders without queues, and `market` writes the executions to files as messages.
Then each worker, a process of its own, treats them as the stage treats a delivered batch: decode, settle in one
transaction, encode the message for the feed (`workers`). Only RabbitMQ is missing. It creates databases next to those
of the settings: `python -m bench.settlement` needs no exchange, and `make bench ARGS="--scenario settlement"` starts
services for it. The scenario `audit` also stores everything as market data.
"""
