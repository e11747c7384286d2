"""Orders of one security that wait outside its book: no client sees them, and no order trades with them.

A stop order waits for a trade at or through its stop price: a buy for the price to rise there, a sell for it to fall.
As in the book, one signed key serves both sides: the stop price of a buy, minus that of a sell. A trade reaches keys
that are at most its own. An order for an auction waits for the next one.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from sortedcontainers import SortedList

from tasks.matching.rules.levels import RestingOrder
from tasks.messages import PlaceOrder, Side, TimeInForce


class WaitingOrder(Struct, gc=False):
    """A waiting order with its present terms; `arrival` numbers the waiting orders of a kind and security."""

    order: PlaceOrder
    arrival: int

    @property
    def order_id(self) -> int:
        """The order's id."""
        return self.order.order_id

    @property
    def client_id(self) -> str:
        """The client that placed it."""
        return self.order.client_id

    @property
    def security_id(self) -> str:
        """The security that it buys or sells."""
        return self.order.security_id

    @property
    def side(self) -> Side:
        """The side on which it will trade."""
        return self.order.side

    @property
    def price_cents(self) -> int:
        """The worst price at which it will trade [cents/share]."""
        return self.order.price_cents

    @property
    def total(self) -> int:
        """The quantity with which it was placed or replaced [shares]."""
        return self.order.quantity

    @property
    def open_quantity(self) -> int:
        """All of its quantity, as a waiting order has not traded [shares]."""
        return self.order.quantity

    @property
    def time_in_force(self) -> TimeInForce:
        """How long it stays open."""
        return self.order.time_in_force

    @property
    def hold_cents(self) -> int:
        """The cash held for each share of a buy [cents]."""
        return self.order.hold_cents or self.order.price_cents


# An order that a client may cancel or replace.
OpenOrder = RestingOrder | WaitingOrder


class AuctionOrders:
    """The orders of one security that wait for its next auction, in the order of their arrival."""

    __slots__ = ("_arrivals", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[int, WaitingOrder] = {}  # by arrival
        self._arrivals = 0

    def add(self, order: PlaceOrder) -> WaitingOrder:
        """Let an order wait, as the last that arrived."""
        self._arrivals += 1
        one = self.waiting[self._arrivals] = WaitingOrder(order, self._arrivals)
        return one

    def remove(self, order: WaitingOrder) -> None:
        """Remove a waiting order."""
        del self.waiting[order.arrival]

    def orders(self) -> Iterator[PlaceOrder]:
        """Return the orders by their arrival."""
        return (one.order for one in self.waiting.values())


class Stops:
    """The waiting stop orders of one security, in the order of their arrival."""

    __slots__ = ("_arrivals", "_buys", "_sells", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[int, WaitingOrder] = {}  # by arrival
        self._arrivals = 0
        # (signed stop price, arrival): the orders that are reached first come first.
        self._buys: SortedList[tuple[int, int]] = SortedList()
        self._sells: SortedList[tuple[int, int]] = SortedList()

    def add(self, order: PlaceOrder) -> WaitingOrder:
        """Let an order wait, as the last that arrived; it must have a stop price."""
        self._arrivals += 1
        stop = self.waiting[self._arrivals] = WaitingOrder(order, self._arrivals)
        self._side(order.side).add(_place(stop))
        return stop

    def remove(self, stop: WaitingOrder) -> None:
        """Remove a waiting order."""
        del self.waiting[stop.arrival]
        self._side(stop.order.side).remove(_place(stop))

    def put_back(self, stop: WaitingOrder) -> None:
        """Return an order that was taken out to its place."""
        self.waiting[stop.arrival] = stop
        self._side(stop.order.side).add(_place(stop))

    def reached(self, *, lowest_cents: int, highest_cents: int) -> list[WaitingOrder]:
        """Take out, by arrival, the orders whose stop prices are reached by trades between these prices."""
        arrivals = []
        for side, limit in ((self._buys, highest_cents), (self._sells, -lowest_cents)):
            while side and side[0][0] <= limit:
                arrivals.append(side.pop(0)[1])
        return [self.waiting.pop(arrival) for arrival in sorted(arrivals)]

    def orders(self) -> Iterator[PlaceOrder]:
        """Return the orders by their arrival."""
        return (stop.order for _, stop in sorted(self.waiting.items()))

    def _side(self, side: Side) -> SortedList[tuple[int, int]]:
        return self._buys if side == "buy" else self._sells


def _place(stop: WaitingOrder) -> tuple[int, int]:
    stop_cents = stop.order.stop_price_cents
    assert stop_cents is not None
    return (stop_cents if stop.order.side == "buy" else -stop_cents), stop.arrival
