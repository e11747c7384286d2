"""The progress of the exchange with its load, read from its two databases.

A look costs a few index searches, so the benchmark can afford ten a second during the load. Event ids contain the
number of the command in its shard's log, so the last settled and the last stored event of each shard show how much of
the log is done. The exact count is taken once, when everything should be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from db.connect import Database
from tasks.messages import event_id, split_event_id


@dataclass(frozen=True, slots=True)
class Look:
    """Commands since the start that have reached each stage; denied requests count as finished."""

    logged: int
    settled: int
    stored: int

    @property
    def done(self) -> int:
        """Commands that are both settled and stored."""
        return min(self.settled, self.stored)


@dataclass(frozen=True, slots=True)
class Account:
    """Trades in both databases, and their settlement reports."""

    trades_settled: int
    trades_stored: int
    settlements_stored: int

    def is_even(self) -> bool:
        """Return whether every trade is settled, stored, and reported as settled to both sides."""
        return self.trades_settled == self.trades_stored and self.settlements_stored == 2 * self.trades_settled


class Progress:
    """Watches both databases, counting from its construction."""

    def __init__(self, clearing_data: Database, market_data: Database) -> None:
        self._clearing_data = clearing_data
        self._market_data = market_data
        with clearing_data.snapshot() as tx:
            self._start = _last_sequences(tx)
            self._denied_at_start = _denied(tx)
        self._shards = sorted(self._start)
        self._stored = dict(self._start)

    def look(self) -> Look:
        """Return the progress now."""
        with self._clearing_data.snapshot() as tx:
            last = _last_sequences(tx)
            denied = _denied(tx) - self._denied_at_start
            settled = {shard: _last_settled(tx, shard) for shard in self._shards}
        with self._market_data.snapshot() as tx:
            self._see_stored(tx)
        return Look(
            logged=denied + sum(last[shard] - self._start[shard] for shard in self._shards),
            settled=denied + sum(max(settled[shard] - self._start[shard], 0) for shard in self._shards),
            stored=denied + sum(self._stored[shard] - self._start[shard] for shard in self._shards),
        )

    def _see_stored(self, tx: Connection) -> None:
        """Record the last command of each shard that the feed has stored as settled.

        The feed writes what a message covers in the transaction that stores its reports, so a table of a few rows says
        it; the reports themselves would take a fifth of the CPU of the whole exchange to read ten times a second.
        """
        for shard, end in tx.execute(
            text("SELECT shard, max(to_event) FROM coverage WHERE stage = 'order_execution' GROUP BY shard")
        ):
            last = split_event_id(end - 1)[1]
            self._stored[shard] = max(self._stored.get(shard, 0), last)

    def are_through(self, order_ids: Sequence[int]) -> bool:
        """Return whether both databases have an outcome for each order."""
        ids = {"ids": list(order_ids)}
        with self._clearing_data.snapshot() as tx:
            through = tx.scalar(text("SELECT count(*) FROM orders WHERE order_id = ANY(:ids) AND status <> 'new'"), ids)
        with self._market_data.snapshot() as tx:
            reported = tx.scalar(
                text(
                    "SELECT count(DISTINCT order_id) FROM reports WHERE order_id = ANY(:ids) "
                    "AND NOT (event_type = 'order' AND confirmed)"
                ),
                ids,
            )
        return through == reported == len(order_ids)

    def account(self) -> Account:
        """Return the exact count; with millions of reports this takes a second."""
        with self._clearing_data.snapshot() as tx:
            trades_settled = tx.scalar(text("SELECT count(*) FROM executions WHERE kind = 'trade'"))
        with self._market_data.snapshot() as tx:
            trades_stored = tx.scalar(text("SELECT count(*) FROM trades"))
            settlements_stored = tx.scalar(text("SELECT count(*) FROM reports WHERE event_type = 'settlement'"))
        return Account(trades_settled or 0, trades_stored or 0, settlements_stored or 0)


def _last_sequences(tx: Connection) -> dict[int, int]:
    return {row.shard: row.last_seq for row in tx.execute(text("SELECT shard, last_seq FROM shards"))}


def _denied(tx: Connection) -> int:
    return tx.scalar(text("SELECT count(*) FROM denials")) or 0


def _last_settled(tx: Connection, shard: int) -> int:
    """Return the last command of a shard with a settled event."""
    last = tx.scalar(
        text("SELECT max(event_id) FROM executions WHERE event_id >= :first AND event_id < :end"),
        {"first": event_id(shard, 0, 0), "end": event_id(shard + 1, 0, 0)},
    )
    return 0 if last is None else split_event_id(last)[1]
