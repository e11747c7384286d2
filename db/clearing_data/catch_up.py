"""Reads from which the catch-up derives reports and executions again: marks, requests, trades and denials."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from db.clearing_data.clearing.executions import COLUMNS, FAILED, TRADE, execution_of
from tasks.messages import Command, TradeMade, decode_command


class Head(NamedTuple):
    """A shard's log: its last command, and the command up to which all events are published."""

    shard: int
    last_seq: int
    published_seq: int


class LoggedRequest(NamedTuple):
    """A command, and the further contents of its request's report.

    received_us     when the api accepted it; None for a command from before this was stored
    named_security  the security that a mass cancel names
    """

    seq: int
    command: Command
    received_us: int | None
    named_security: str | None
    buy_in: bool = False


class SettledTrade(NamedTuple):
    """A trade of the register; `failed` is the reason why it was not settled, None when it was."""

    trade: TradeMade
    failed: str | None


class Denial(NamedTuple):
    """A denied request, and its report in JSON."""

    command_id: int
    denied_us: int
    report: str


def heads(tx: Connection) -> list[Head]:
    """Return the log of each shard."""
    rows = tx.execute(
        text(
            "SELECT shard, last_seq, COALESCE(seq, 0) FROM shards LEFT JOIN published_marks USING (shard) "
            "ORDER BY shard"
        )
    )
    return [Head(*row) for row in rows]


_REQUESTS = text("""
    SELECT seq, command, COALESCE(received_us, created_us), named_security, COALESCE(buy_in, false)
    FROM order_log LEFT JOIN orders ON order_id = command_id
    WHERE shard = :shard AND seq BETWEEN :first_seq AND :last_seq ORDER BY seq
""")


def requests(tx: Connection, shard: int, *, first_seq: int, last_seq: int) -> list[LoggedRequest]:
    """Return the commands of a shard, with the further contents of their reports."""
    rows = tx.execute(_REQUESTS, {"shard": shard, "first_seq": first_seq, "last_seq": last_seq})
    return [LoggedRequest(seq, decode_command(command), *rest) for seq, command, *rest in rows]


_TRADES = text(
    f"""
    SELECT {", ".join(COLUMNS)} FROM executions
    WHERE event_id >= :begin AND event_id < :end AND kind IN (:trade, :failed)
    ORDER BY event_id LIMIT :limit
    """  # noqa: S608 - constants
)


def trades(tx: Connection, begin: int, end: int, *, limit: int) -> list[SettledTrade]:
    """Return the first trades with begin <= event id < end, settled or failed."""
    asked: dict[str, Any] = {"begin": begin, "end": end, "limit": limit, "trade": TRADE, "failed": FAILED}
    found = []
    for row in tx.execute(_TRADES, asked):
        trade = execution_of(row)
        assert isinstance(trade, TradeMade)
        found.append(SettledTrade(trade, row.reason if row.kind == FAILED else None))
    return found


_DENIALS = text("""
    SELECT command_id, denied_us, report FROM denials
    WHERE denied_us > :after_us AND denied_us <= :up_to_us AND report IS NOT NULL
    ORDER BY denied_us, command_id
""")


def denials(tx: Connection, *, after_us: int, up_to_us: int) -> list[Denial]:
    """Return the requests denied in (after_us, up_to_us] that have a report."""
    return [Denial(*row) for row in tx.execute(_DENIALS, {"after_us": after_us, "up_to_us": up_to_us})]
