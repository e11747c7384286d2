"""The public data of each security as the feed last pushed it: prices, book and latest trades.

A subscriber begins with a snapshot of this and goes on with the updates that change it; so both fit together, and
Postgres is only read where something is missing. Changes of the book are collected until it is time to send them:
the book here is the one that was sent, and the changes that were not sent yet are kept apart from it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum, auto

from tasks.data_feed.rules.rows import Book, Level, Price, Trade

# The number of trades that a subscriber of trades begins with.
LATEST_TRADES = 50


class Outcome(Enum):
    """The outcome of an update."""

    APPLIED = auto()
    OLD = auto()  # it contains nothing new
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
        "sent_sequence",
        "trades",
    )

    def __init__(self, security_id: str) -> None:
        self.security_id = security_id
        self.price = Price(security_id, 0, None, None, None, 0)
        self.book_sequence = 0  # of the last known change
        self.sent_sequence = 0  # of the last change that subscribers know
        self.book_us = 0  # the time of that change
        self.lacks_levels = False  # whether Postgres may have a late level that is missing here
        self._bids: dict[int, Level] = {}
        self._asks: dict[int, Level] = {}
        self._new_bids: dict[int, Level] = {}
        self._new_asks: dict[int, Level] = {}
        self._changed_us = 0
        self.trades: deque[Trade] = deque(maxlen=LATEST_TRADES)

    @property
    def trade_sequence(self) -> int:
        """The sequence of the latest trade, 0 before the first."""
        return self.trades[-1].sequence if self.trades else 0

    def move_price(self, price: Price) -> Outcome:
        """Take new prices; they are absolute, so nothing before them is missed."""
        if price.sequence <= self.price.sequence:
            return Outcome.OLD
        self.price = price
        return Outcome.APPLIED

    def change_book(
        self, *, previous_sequence: int, sequence: int, changed_us: int, bids: Iterable[Level], asks: Iterable[Level]
    ) -> Outcome:
        """Take changed levels, which `unsent_levels` returns."""
        if sequence <= self.book_sequence:
            return Outcome.OLD
        if previous_sequence > self.book_sequence:
            return Outcome.GAP
        self._new_bids.update((level[0], level) for level in bids)
        self._new_asks.update((level[0], level) for level in asks)
        self.book_sequence, self._changed_us = sequence, changed_us
        return Outcome.APPLIED

    def unsent_levels(self) -> tuple[list[Level], list[Level]]:
        """Return the levels that have changed since the last call, bids and asks, and mark them as sent."""
        changed = _change(self._bids, self._new_bids), _change(self._asks, self._new_asks)
        self.sent_sequence, self.book_us = self.book_sequence, self._changed_us
        return changed

    def replace_book(self, book: Book) -> Outcome:
        """Take a whole book; even one of the known sequence may contain more, because late levels have been added."""
        if book.sequence < self.book_sequence:
            return Outcome.OLD
        self.lacks_levels = False
        self._bids = {level[0]: level for level in book.bids}
        self._asks = {level[0]: level for level in book.asks}
        self._new_bids.clear()
        self._new_asks.clear()
        self.book_sequence = self.sent_sequence = book.sequence
        self.book_us = self._changed_us = book.updated_us
        return Outcome.APPLIED

    def add_trades(self, trades: Iterable[Trade]) -> list[Trade]:
        """Take trades, oldest first. Returns those that are not among the latest already.

        Several workers of the feed may push in another order than they store, so late trades are sent as well.
        """
        known = {trade.sequence for trade in self.trades}
        new = [trade for trade in trades if trade.sequence not in known]
        before = self.trade_sequence
        self.trades.extend(trade for trade in new if trade.sequence > before)
        return new

    def book(self) -> Book:
        """Return the whole book as it was sent, best levels first."""
        return Book(
            self.security_id,
            self.sent_sequence,
            self.book_us,
            bids=sorted(self._bids.values(), reverse=True),
            asks=sorted(self._asks.values()),
        )


def _change(levels: dict[int, Level], new: dict[int, Level]) -> list[Level]:
    """Move new levels into those sent. Returns those that differ; levels that came and went were never sent."""
    changed = [level for price_cents, level in new.items() if level != levels.get(price_cents, (price_cents, 0, 0))]
    for level in changed:
        if level[1]:
            levels[level[0]] = level
        else:
            levels.pop(level[0], None)
    new.clear()
    return changed
