"""The audit: whether what must always hold does hold, on an exchange that may be trading meanwhile.

Each rule has a function of its own. Those on money, holds and orders look at one snapshot of `clearing_data`. The log,
the executions and the trades never change once they are written, so the replay of the log reads them piece by piece;
what is still on its way through the queues meanwhile is waited for.
"""
