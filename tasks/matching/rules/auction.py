"""The state of an auction while it collects orders: its indicative outcome, and the best limits of each client.

All of this follows from the orders in the book, so snapshots leave it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import Final

from tasks.matching.rules.indicative import Crossing, Indication
from tasks.matching.rules.levels import PriceLevel, RestingOrder
from tasks.matching.rules.waiting import OpenOrder

# A heap of limits is swept when it has more than twice as many entries as at the last sweep, and this many.
_LITTER: Final = 64


class BestLimits(list[tuple[int, int]]):
    """A heap of (minus key, order id), the best on top, including orders that have left; `sweep_at` is a length."""

    __slots__ = ("sweep_at",)

    def __init__(self) -> None:
        super().__init__()
        self.sweep_at = _LITTER


class Auction:
    """An auction over the orders of a book, which reports each order that rests or leaves.

    `changed` contains the keys of the levels that have changed since the last indication, as
    tasks.matching.rules.book_levels explains keys.
    """

    __slots__ = ("_best", "_crossing", "_open_orders", "changed")

    def __init__(self, orders: Iterable[RestingOrder], open_orders: Mapping[int, OpenOrder]) -> None:
        """Begin with the orders that already rest."""
        self.changed: set[int] = set()
        self._crossing = Crossing()
        self._open_orders = open_orders
        self._best: dict[tuple[str, bool], BestLimits] = {}  # by client and side
        for order in orders:
            self.rested(order)

    def rested(self, order: RestingOrder) -> None:
        """Note that an order rests in the book from now on."""
        key = order.key
        self.changed.add(key)
        owner = order.client_id, key > 0
        best = self._best.get(owner)
        if best is None:
            best = self._best[owner] = BestLimits()
        heappush(best, (-key, order.order_id))
        if len(best) > best.sweep_at:
            best[:] = sorted({entry for entry in best if self._rests(*entry)})
            best.sweep_at = 2 * len(best) + _LITTER

    def crosses_own(self, client_id: str, key: int) -> bool:
        """Return whether an order with this key could trade with one of the same client."""
        best = self._best.get((client_id, key < 0))
        while best:
            minus_key, order_id = best[0]
            if self._rests(minus_key, order_id):
                # The keys of the two sides have opposite signs, so their sum is the bid minus the ask.
                return key - minus_key >= 0
            heappop(best)
        return False

    def _rests(self, minus_key: int, order_id: int) -> bool:
        resting = self._open_orders.get(order_id)
        return type(resting) is RestingOrder and resting.key == -minus_key

    def indication(self, levels: Mapping[int, PriceLevel], reference_cents: int) -> Indication:
        """Return the outcome of an uncross at this moment."""
        crossing = self._crossing
        for key in self.changed:
            level = levels.get(key)
            quantity = level.quantity + level.hidden if level is not None else 0
            if key > 0:
                crossing.set_level(key, "buy", quantity)
            else:
                crossing.set_level(-key, "sell", quantity)
        self.changed.clear()
        return crossing.find(reference_cents)
