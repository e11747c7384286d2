"""What is known of an auction while it collects orders: where it would end now, and the best limits of each client.

All of it follows from the orders in the book, so no snapshot has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush

from tasks.matching.rules.indicative import Crossing, Indication
from tasks.matching.rules.levels import PriceLevel, RestingOrder
from tasks.matching.rules.waiting import OpenOrder


class Auction:
    """An auction over the orders of a book, which tells it of all that comes and goes.

    `changed` are the keys of the levels that changed since the last indication; see tasks.matching.rules.book for keys.
    """

    __slots__ = ("_best", "_crossing", "_open_orders", "changed")

    def __init__(self, orders: Iterable[RestingOrder], open_orders: Mapping[int, OpenOrder]) -> None:
        """Begin with the orders that rest already."""
        self.changed: set[int] = set()
        self._crossing = Crossing()
        self._open_orders = open_orders
        # Of each client and side a heap of (minus key, order id), the best on top, with some that have left.
        self._best: dict[tuple[str, bool], list[tuple[int, int]]] = {}
        for order in orders:
            self.rested(order)

    def rested(self, order: RestingOrder) -> None:
        """An order rests in the book from now on."""
        key = order.key
        self.changed.add(key)
        heappush(self._best.setdefault((order.client_id, key > 0), []), (-key, order.order_id))

    def crosses_own(self, client_id: str, key: int) -> bool:
        """Whether an order with this key could trade with one of the same client."""
        best = self._best.get((client_id, key < 0))
        while best:
            minus_key, order_id = best[0]
            resting = self._open_orders.get(order_id)
            if type(resting) is RestingOrder and resting.key == -minus_key:
                # The keys of both sides have opposite signs: their sum is what the bid is above the ask.
                return key - minus_key >= 0
            heappop(best)
        return False

    def indication(self, levels: Mapping[int, PriceLevel], reference_cents: int) -> Indication:
        """What an uncross would lead to now."""
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
