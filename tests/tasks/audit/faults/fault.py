"""A fault of an exchange: the statement that causes it, and what the audit has to report."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Fault(NamedTuple):
    """One row of one database made wrong.

    rule      the rule that has to be reported as broken
    row       a query for the number of the row
    breakage  what goes wrong with it; :row is the number
    finding   how the row is named; {row} is the number, {row1} the next one
    """

    rule: int
    database: Literal["clearing_data", "market_data"]
    row: str
    breakage: str
    finding: str


SOME_ORDER = "SELECT max(order_id) FROM orders WHERE status = 'filled'"
SOME_DENIED = "SELECT min(command_id) FROM denials JOIN orders ON order_id = command_id"
SOME_TRADE = "SELECT min(event_id) FROM executions WHERE kind = 'trade'"
SOME_LEG = "SELECT min(entry_id) FROM ledger WHERE kind = 'trade'"
