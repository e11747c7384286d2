"""A client's copy of a security's book: a snapshot, updated with the levels that changed since."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from heapq import nlargest, nsmallest
from threading import Lock

from bots.contract import Book, Level

Side = dict[Decimal, Level]


class LocalBook:
    """A book that one thread updates while another reads it."""

    def __init__(self, security_id: str) -> None:
        self.security_id = security_id
        self._lock = Lock()
        self._bids: Side = {}
        self._asks: Side = {}
        self._sequence = 0

    def replace(self, bids: Iterable[Level], asks: Iterable[Level], *, sequence: int) -> None:
        """Replace the whole book."""
        with self._lock:
            self._bids = {level.price: level for level in bids}
            self._asks = {level.price: level for level in asks}
            self._sequence = sequence

    def change(self, bids: Iterable[Level], asks: Iterable[Level], *, sequence: int) -> None:
        """Set levels to their absolute quantities; 0 removes a level."""
        with self._lock:
            for side, levels in ((self._bids, bids), (self._asks, asks)):
                for level in levels:
                    if level.quantity:
                        side[level.price] = level
                    else:
                        side.pop(level.price, None)
            self._sequence = sequence

    def top(self, depth: int) -> Book:
        """Return the best `depth` levels of both sides."""
        with self._lock:
            return Book(
                security_id=self.security_id,
                sequence=self._sequence,
                bids=[self._bids[price] for price in nlargest(depth, self._bids)],
                asks=[self._asks[price] for price in nsmallest(depth, self._asks)],
            )
