"""How fast order execution settles, what a trade takes on disk, and how long an audit takes.

Orders are admitted and matched by the rules of the stages, without queues, and their executions kept as messages
(`market`). Then each worker, a process of its own, does with them what the stage does with a unit that it finds
delivered: decode, settle in one transaction, encode what the feed is told (`workers`). RabbitMQ alone is left out. It
runs on databases of its own, which it makes beside those of the settings: `python -m bench.settlement` needs no
exchange, `make bench ARGS="--scenario settlement"` starts services for it, and likewise `audit`, for which everything
is stored for the feed as well.
"""
