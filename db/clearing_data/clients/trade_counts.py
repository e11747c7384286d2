"""Counts of each client's trades; each count continues from the previous one, because the ledger only ever grows.

Entries get their numbers before they are committed, so an entry with a lower number may appear after one with a higher
number. A transaction that books has locked an account first, so it has its transaction number before its entries get
theirs: once every transaction that was running when an entry was seen is over, all entries up to that one are there.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, text

# Entries counted in one step; more would keep a request waiting too long.
STEP = 1_000_000
# Up to this many entries are simply counted every time.
FEW = 10_000

_LOOK = text(
    "SELECT (SELECT coalesce(max(entry_id), 0) FROM ledger) AS last, "
    "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS xmin, "
    "CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) AS xmax"
)
_COUNT = text(
    "SELECT account, count(*) AS trades FROM ledger "
    "WHERE kind = 'trade' AND entry_id > :after AND entry_id <= :through GROUP BY account"
)
_LAST = 2**63 - 1


class TradeCounts:
    """Remembers what was counted; for use by one thread at a time."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._counted: Counter[str] = Counter()
        self._through = 0  # the last entry counted
        self._final = 0  # all entries up to this one are there
        self._seen: tuple[int, int] | None = None  # an entry, and the transaction before which all must have ended

    def advance(self, tx: Connection) -> bool:
        """Count some of the new entries; return False when many more are left, so that the caller calls again.

        Each call needs its own transaction, because within one transaction the view does not change.
        """
        last, xmin, xmax = tx.execute(_LOOK).one()
        if last < self._final:  # another database replaced the one that was counted
            self._begin()
        if self._seen is not None and xmin >= self._seen[1]:
            self._final, self._seen = self._seen[0], None
        if self._seen is None:
            self._seen = last, xmax
        if self._through < self._final:
            through = min(self._through + STEP, self._final)
            self._counted.update(_count(tx, after=self._through, through=through))
            self._through = through
        return self._through == self._final and (self._through > 0 or last <= FEW)

    def read(self, tx: Connection) -> Counter[str]:
        """Return the number of trades of each client as of now."""
        return self._counted + Counter(_count(tx, after=self._through, through=_LAST))


def _count(tx: Connection, *, after: int, through: int) -> dict[str, int]:
    return {row.account: row.trades for row in tx.execute(_COUNT, {"after": after, "through": through})}
