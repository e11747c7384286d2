"""How often each client has traded, counted on from where it was counted before, as a ledger only ever grows.

Numbers of entries are given before the entries are committed, so below one that can be seen another may still come.
Who books has locked an account before, so its transaction has its own number before its entries have theirs: once
every transaction is over that was under way when an entry was seen, all entries up to it are there.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, text

# Entries that are counted at once; more would keep a request waiting too long.
STEP = 1_000_000
# So few are counted every time.
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
    """Remembers what was counted; one at a time may use it."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._counted: Counter[str] = Counter()
        self._through = 0  # of these entries
        self._final = 0  # up to this one all entries are there
        self._seen: tuple[int, int] | None = None  # an entry, and the transaction before which all have to be over

    def advance(self, tx: Connection) -> bool:
        """Count a part of what is new; False when there is much more of it, and then it is to be called again.

        Each call takes a transaction of its own: within one, nothing changes.
        """
        last, xmin, xmax = tx.execute(_LOOK).one()
        if last < self._final:  # another database in the place of the one that was counted
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
        """Trades of each client as of now."""
        return self._counted + Counter(_count(tx, after=self._through, through=_LAST))


def _count(tx: Connection, *, after: int, through: int) -> dict[str, int]:
    return {row.account: row.trades for row in tx.execute(_COUNT, {"after": after, "through": through})}
