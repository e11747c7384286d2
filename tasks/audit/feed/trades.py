"""Rule 8: the stored trades equal those that follow from the log."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import text

from db.connect import Database
from db.market_data import reads
from db.market_data.partitions import TRADE_REPORTS, dropped_before
from tasks.audit.clearing.replay import PAGE
from tasks.audit.common.patience import Patience
from tasks.audit.common.result import CheckResult
from tasks.data_feed.record import trade_of
from tasks.data_feed.rules.rows import Trade
from tasks.messages import TradeMade, event_id


class StoredTrades:
    """The trades that a replay of one shard makes, compared with the stored ones."""

    def __init__(self, market_data: Database, shard: int, head: int) -> None:
        self._market_data = market_data
        self._shard = shard
        self._head = head
        self._checked = CheckResult()
        with market_data.snapshot() as tx:
            self._dropped_before_us = dropped_before(tx, TRADE_REPORTS)
        self._missing: list[TradeMade] = []
        self._made: dict[str, int] = {}  # the last trade of each security

    def compare(self, made: Iterable[TradeMade]) -> None:
        """Compare trades with the stored ones; the trades of each security must be in their order."""
        by_security: dict[str, list[TradeMade]] = {}
        for trade in made:
            by_security.setdefault(trade.security_id, []).append(trade)
        for security_id, trades in by_security.items():
            self._made[security_id] = max(self._made.get(security_id, 0), trades[-1].sequence)
            stored = self._read(security_id, first=trades[0].sequence, last=trades[-1].sequence)
            for trade in trades:
                found = stored.get(trade.sequence)
                if found is None:
                    if trade.traded_us >= self._dropped_before_us:
                        self._missing.append(trade)
                    continue
                self._checked.checked += 1
                if found != trade_of(trade):
                    self._checked.find(f"{found} is stored; the log makes {trade}")

    def _read(self, security_id: str, *, first: int, last: int) -> dict[int, Trade]:
        with self._market_data.snapshot() as tx:
            trades = reads.trades(tx, security_id, before=last + 1, limit=last - first + 1)
        return {trade.sequence: trade for trade in trades}

    def await_missing(self, patience: Patience) -> CheckResult:
        """Look again for missing trades until the feed has stored them; then check that it has no others."""
        while patience.wait(len(self._missing)):
            with self._market_data.snapshot() as tx:
                self._dropped_before_us = dropped_before(tx, TRADE_REPORTS)  # days may have been dropped meanwhile
            missing, self._missing = self._missing, []
            for start in range(0, len(missing), PAGE):
                self.compare(missing[start : start + PAGE])
        for trade in self._missing:
            self._checked.find(f"trade {trade.sequence} of {trade.security_id} is not stored: {trade}")
        with self._market_data.snapshot() as tx:
            for security_id, sequence in tx.execute(_OTHER_TRADES, self._bounds()):
                self._checked.find(f"trade {sequence} of {security_id} is stored and does not come out of the log")
        return self._checked

    def _bounds(self) -> dict[str, object]:
        """Return the bounds of the replayed events, and the last trade of each security."""
        return {
            "first_id": event_id(self._shard, 1, 0),
            "end_id": event_id(self._shard, self._head + 1, 0),
            "securities": list(self._made),
            "last": list(self._made.values()),
        }


_OTHER_TRADES = text(
    """
    SELECT security_id, trades.sequence
    FROM trades LEFT JOIN unnest(CAST(:securities AS text[]), CAST(:last AS bigint[])) AS made (security_id, last)
        USING (security_id)
    WHERE event_id >= :first_id AND event_id < :end_id AND trades.sequence > COALESCE(made.last, 0)
    ORDER BY security_id, trades.sequence
    """
).execution_options(yield_per=1_000)
