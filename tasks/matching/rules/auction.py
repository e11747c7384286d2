"""The state of an auction while it collects orders: its indicative outcome, and the best limits of each client.

All of this follows from the orders in the book, so snapshots leave it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush

from tasks.matching.rules.indicative import Crossing, Indication
from tasks.matching.rules.levels import PriceLevel, RestingOrder
from tasks.matching.rules.waiting import OpenOrder


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
        # For each client and side a heap of (minus key, order id), the best on top, including orders that have left.
        self._best: dict[tuple[str, bool], list[tuple[int, int]]] = {}
        for order in orders:
            self.rested(order)

    def rested(self, order: RestingOrder) -> None:
        """Note that an order rests in the book from now on."""
        key = order.key
        self.changed.add(key)
        heappush(self._best.setdefault((order.client_id, key > 0), []), (-key, order.order_id))

    def crosses_own(self, client_id: str, key: int) -> bool:
        """Return whether an order with this key could trade with one of the same client."""
        best = self._best.get((client_id, key < 0))
        while best:
            minus_key, order_id = best[0]
            resting = self._open_orders.get(order_id)
            if type(resting) is RestingOrder and resting.key == -minus_key:
                # The keys of the two sides have opposite signs, so their sum is the bid minus the ask.
                return key - minus_key >= 0
            heappop(best)
        return False

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
