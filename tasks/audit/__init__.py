"""The audit: checks the invariants of an exchange, which may trade meanwhile.

Each rule has its own functions. The rules on money, holds and orders read one snapshot of `clearing_data`. The log, the
executions and the trades never change once they are written, so the replay of the log reads them page by page. The
audit waits for messages that are still in the queues.
"""
