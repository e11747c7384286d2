"""What the public may know of each security as the feed last told it: prices, book and latest trades.

A subscriber begins with a snapshot of this, and goes on with the updates that change it; so both fit together, and
Postgres is only read where something is missing. Changes of the book are put together until it is time to tell them;
so the book here is the one that was told, and what was not told yet lies beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum, auto

from tasks.data_feed.rules.rows import Book, Level, Price, Trade

# How many trades a subscriber of trades begins with.
LATEST_TRADES = 50


class Outcome(Enum):
    """What became of an update."""

    APPLIED = auto()
    OLD = auto()  # it says nothing that is not known
    GAP = auto()  # something before it is missing


class Market:
    """One security."""

    __slots__ = (
        "_asks",
        "_bids",
        "_changed_us",
        "_new_asks",
        "_new_bids",
        "book_sequence",
        "book_us",
        "lacks_levels",
        "price",
        "security_id",
        "told_sequence",
        "trades",
    )

    def __init__(self, security_id: str) -> None:
        self.security_id = security_id
        self.price = Price(security_id, 0, None, None, None, 0)
        self.book_sequence = 0  # of the last change that is known
        self.told_sequence = 0  # of the last one that the subscribers know
        self.book_us = 0  # the time of that
        self.lacks_levels = False  # whether a level that came late may be in Postgres and not here
        self._bids: dict[int, Level] = {}
        self._asks: dict[int, Level] = {}
        self._new_bids: dict[int, Level] = {}
        self._new_asks: dict[int, Level] = {}
        self._changed_us = 0
        self.trades: deque[Trade] = deque(maxlen=LATEST_TRADES)

    @property
    def trade_sequence(self) -> int:
        """Of the latest trade."""
        return self.trades[-1].sequence if self.trades else 0

    def move_price(self, price: Price) -> Outcome:
        """Take other prices; they are absolute, so nothing before them is missed."""
        if price.sequence <= self.price.sequence:
            return Outcome.OLD
        self.price = price
        return Outcome.APPLIED

    def change_book(
        self, *, previous_sequence: int, sequence: int, changed_us: int, bids: Iterable[Level], asks: Iterable[Level]
    ) -> Outcome:
        """Take changed levels, to be told by `tell_book`."""
        if sequence <= self.book_sequence:
            return Outcome.OLD
        if previous_sequence > self.book_sequence:
            return Outcome.GAP
        self._new_bids.update((level[0], level) for level in bids)
        self._new_asks.update((level[0], level) for level in asks)
        self.book_sequence, self._changed_us = sequence, changed_us
        return Outcome.APPLIED

    def tell_book(self) -> tuple[list[Level], list[Level]]:
        """Return the levels, bids and asks, that are others than those told before; from here on they are told."""
        changed = _change(self._bids, self._new_bids), _change(self._asks, self._new_asks)
        self.told_sequence, self.book_us = self.book_sequence, self._changed_us
        return changed

    def replace_book(self, book: Book) -> Outcome:
        """Take a whole book; one of the sequence that is known may say more, as what came late has found into it."""
        if book.sequence < self.book_sequence:
            return Outcome.OLD
        self.lacks_levels = False
        self._bids = {level[0]: level for level in book.bids}
        self._asks = {level[0]: level for level in book.asks}
        self._new_bids.clear()
        self._new_asks.clear()
        self.book_sequence = self.told_sequence = book.sequence
        self.book_us = self._changed_us = book.updated_us
        return Outcome.APPLIED

    def add_trades(self, trades: Iterable[Trade]) -> list[Trade]:
        """Take trades, oldest first; returns those that are not among the latest already.

        Several workers of the feed may push in another order than they store, so one that comes late is told, too.
        """
        known = {trade.sequence for trade in self.trades}
        new = [trade for trade in trades if trade.sequence not in known]
        before = self.trade_sequence
        self.trades.extend(trade for trade in new if trade.sequence > before)
        return new

    def book(self) -> Book:
        """Return the whole book as it was told, best levels first."""
        return Book(
            self.security_id,
            self.told_sequence,
            self.book_us,
            bids=sorted(self._bids.values(), reverse=True),
            asks=sorted(self._asks.values()),
        )


def _change(levels: dict[int, Level], new: dict[int, Level]) -> list[Level]:
    """Move new levels into those told; returns those that are others. One that came and went was never told."""
    changed = [level for price_cents, level in new.items() if level != levels.get(price_cents, (price_cents, 0, 0))]
    for level in changed:
        if level[1]:
            levels[level[0]] = level
        else:
            levels.pop(level[0], None)
    new.clear()
    return changed
