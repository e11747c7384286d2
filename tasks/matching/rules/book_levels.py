"""The levels of a book, and their public view.

A signed key identifies a level of either side: the price of a bid, minus the price of an ask. So on each side the best
level has the largest key, an order meets the other side where a key is at least its limit, and one loop serves buys
and sells. The keys of a side form a sorted list with the best at its end, where levels come and go most.

A level whose orders have all left stays until it would be the best: orders often return to its price. It is invisible
meanwhile, and when too many such levels exist they are dropped together.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from itertools import islice
from typing import Final

from tasks.matching.rules.levels import PriceLevel
from tasks.messages import BookUpdate, Level

# The best key of an empty side: no order's limit reaches it.
NOTHING: Final = -(2**62)

# A queue is swept when its orders that have left outnumber the others by more than this; empty levels are dropped by
# the same rule. So the cost per order is constant, and a short queue is not swept all the time.
LITTER: Final = 8


class BookLevels:
    """The levels of one security, and which of them have changed since the last update or snapshot."""

    __slots__ = (
        "_ask_keys",
        "_bid_keys",
        "_changed_keys",
        "_empty_levels",
        "_levels",
        "_published_sequence",
        "_sequence",
        "_updated_us",
        "best_ask",
        "best_bid",
        "last_cents",
        "security_id",
    )

    def __init__(self, security_id: str) -> None:
        self.security_id = security_id
        self.last_cents: int | None = None
        self.best_bid = NOTHING  # the last of each list of keys, kept here because every order needs it
        self.best_ask = NOTHING
        self._levels: dict[int, PriceLevel] = {}
        self._empty_levels = 0
        self._bid_keys: list[int] = []
        self._ask_keys: list[int] = []
        self._sequence = 0
        self._published_sequence = 0
        self._changed_keys: set[int] = set()
        self._updated_us = 0

    # -- levels come and go ------------------------------------------------------------------------------------------

    def _add_level(self, key: int) -> PriceLevel:
        level = self._levels[key] = PriceLevel()
        if key > 0:
            insort(self._bid_keys, key)
            if key > self.best_bid:
                self.best_bid = key
        else:
            insort(self._ask_keys, key)
            if key > self.best_ask:
                self.best_ask = key
        return level

    def _leave_level(self, key: int, level: PriceLevel) -> None:
        """Note that the last order of a level was taken out."""
        if key == self.best_bid:
            self.best_bid = self._drop_best(self._bid_keys)
        elif key == self.best_ask:
            self.best_ask = self._drop_best(self._ask_keys)
        else:
            level.queue.clear()
            level.head = 0
            self._empty_levels += 1
            if self._empty_levels > len(self._levels) // 2 + LITTER:
                self._drop_empty_levels()

    def _drop_best(self, keys: list[int]) -> int:
        """Drop the best level of a side, and the empty ones behind it; return the key of the next."""
        levels = self._levels
        del levels[keys.pop()]
        while keys:
            best = keys[-1]
            if levels[best].count:
                return best
            del levels[keys.pop()]
            self._empty_levels -= 1
        return NOTHING

    def _drop_empty_levels(self) -> None:
        self._levels = {key: level for key, level in self._levels.items() if level.count}
        self._bid_keys = [key for key in self._bid_keys if key in self._levels]
        self._ask_keys = [key for key in self._ask_keys if key in self._levels]
        self._empty_levels = 0

    # -- the public view ---------------------------------------------------------------------------------------------

    def update(self) -> BookUpdate | None:
        """Return the levels that have changed since the last `update` or `snapshot`; None if no level has."""
        if not self._changed_keys:
            return None
        return self._publish(sorted(self._changed_keys, reverse=True), snapshot=False)

    def snapshot(self) -> BookUpdate:
        """Return every level."""
        keys = [*reversed(self._bid_keys), *reversed(self._ask_keys)]
        return self._publish([key for key in keys if self._levels[key].count], snapshot=True)

    def best_levels(self, depth: int) -> tuple[list[Level], list[Level]]:
        """Return the best levels of bids and asks, at most `depth` of each, the best first; publish nothing."""
        return self._best(self._bid_keys, depth), self._best(self._ask_keys, depth)

    def _best(self, keys: list[int], depth: int) -> list[Level]:
        shown = ((key, level) for key in reversed(keys) if (level := self._levels[key]).count)
        return [(abs(key), level.quantity, level.count) for key, level in islice(shown, depth)]

    def _publish(self, keys: Iterable[int], *, snapshot: bool) -> BookUpdate:
        bids: list[Level] = []
        asks: list[Level] = []
        for key in keys:
            level = self._levels.get(key)
            quantity, count = (level.quantity, level.count) if level else (0, 0)
            (bids if key > 0 else asks).append((abs(key), quantity, count))
        update = BookUpdate(
            security_id=self.security_id,
            previous_sequence=self._published_sequence,
            sequence=self._sequence,
            snapshot=snapshot,
            bids=bids,
            asks=asks,
            bid_cents=self.best_bid if self.best_bid != NOTHING else None,
            ask_cents=-self.best_ask if self.best_ask != NOTHING else None,
            last_cents=self.last_cents,
            updated_us=self._updated_us,
        )
        self._published_sequence = self._sequence
        self._changed_keys.clear()
        return update
