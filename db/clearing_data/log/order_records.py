"""Reads the records of one order: its row of the log, its trades, and their postings for its client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text


class LogRow(NamedTuple):
    """An order's row of the log: its place, and the command as the engine reads it."""

    shard: int
    seq: int
    command: str


class SettledTrade(NamedTuple):
    """A trade that is settled."""

    event_id: int
    quantity: int
    price_cents: int
    executed_us: int
    settled_us: int


class OrderPosting(NamedTuple):
    """A double entry: the account gains the cash and the shares, and the contra account loses them."""

    entry_id: int
    event_id: int
    booked_us: int
    kind: str
    account: str
    contra_account: str
    security_id: str | None
    cash_cents: int
    shares: int


_LOG_ROW = text("SELECT shard, seq, command FROM order_log WHERE command_id = :order_id")
_TRADES = text(
    "SELECT event_id, quantity, price_cents, executed_us, settled_us FROM executions "
    "WHERE event_id = ANY(:event_ids) AND kind = 'trade' ORDER BY event_id"
)
# All entries of a trade are booked at the time of its execution, and the index is by account and time.
_POSTINGS = text(
    "SELECT entry_id, event_id, booked_us, kind, account, contra_account, security_id, cash_cents, shares FROM ledger "
    "WHERE account = :client_id AND booked_us = ANY(:booked_us) AND event_id = ANY(:event_ids) ORDER BY entry_id"
)


def log_row(tx: Connection, order_id: int) -> LogRow | None:
    """Return the row of an order in the log; None for an order that order entry refused or has not seen."""
    row = tx.execute(_LOG_ROW, {"order_id": order_id}).first()
    return LogRow(*row) if row else None


def settled_trades(tx: Connection, event_ids: Sequence[int]) -> list[SettledTrade]:
    """Return the settled trades among these, in the order of the log."""
    return [SettledTrade(*row) for row in tx.execute(_TRADES, {"event_ids": list(event_ids)})]


def postings(tx: Connection, client_id: str, trades: Sequence[SettledTrade]) -> list[OrderPosting]:
    """Return the postings of trades on a client's account, fees included."""
    asked = {
        "client_id": client_id,
        "event_ids": [trade.event_id for trade in trades],
        "booked_us": [trade.settled_us for trade in trades],
    }
    return [OrderPosting(*row) for row in tx.execute(_POSTINGS, asked)]
