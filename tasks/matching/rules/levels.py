"""The content of a book: resting orders in queues, one for each price.

The garbage collector does not visit these objects: they form no cycles, and it would visit a million of them again and
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from msgspec import Struct

from tasks.messages import Side, TimeInForce


class RestingOrder(Struct, gc=False):
    """An order in the book.

    `key` is the price of a bid, minus the price of an ask [cents/share]. `quantity` is the displayed quantity [shares],
    0 once the order has left, and `hidden` the hidden quantity of an iceberg. `total` is the quantity with which it was
    placed or replaced, so what is neither displayed nor hidden was filled. An iceberg displays at most
    `display_quantity` at a time; 0 displays everything. `hold_cents` is held for each share of a bid.

    An order with the time in force `auction` leaves with the uncross. So does a market order in an auction, the only
    order that rests as `ioc`.
    """

    order_id: int
    client_id: str
    security_id: str
    key: int
    quantity: int
    total: int
    hold_cents: int
    post_only: bool = False
    hidden: int = 0
    display_quantity: int = 0
    time_in_force: TimeInForce = "gtc"

    @property
    def side(self) -> Side:
        """The side of the book on which the order rests."""
        return "buy" if self.key > 0 else "sell"

    @property
    def price_cents(self) -> int:
        """Its limit [cents/share]."""
        return abs(self.key)

    @property
    def open_quantity(self) -> int:
        """The quantity that is not filled, displayed or hidden [shares]."""
        return self.quantity + self.hidden


class PriceLevel(Struct, eq=False, gc=False):
    """The orders at one price, the oldest first.

    An order that leaves stays in the queue with quantity 0 until it is passed or swept out, so a cancel costs the
    same anywhere in a queue of any length. Entries before `head` have left, or stand again behind it with their next
    displayed part. `quantity` and `hidden` are the sums of the displayed and hidden quantities [shares].
    """

    queue: list[RestingOrder] = []
    head: int = 0
    count: int = 0
    quantity: int = 0
    hidden: int = 0

    def add(self, order: RestingOrder) -> None:
        """Put an order at the end of the queue."""
        self.queue.append(order)
        self.count += 1
        self.quantity += order.quantity
        self.hidden += order.hidden

    def extend(self, orders: list[RestingOrder]) -> None:
        """Put orders at the end of the queue, the oldest first."""
        self.queue += orders
        self.count += len(orders)
        self.quantity += sum([order.quantity for order in orders])
        self.hidden += sum([order.hidden for order in orders])

    def refill(self, order: RestingOrder) -> None:
        """Display the next part of an iceberg whose displayed part has traded, at the end of the queue."""
        shown = min(order.display_quantity, order.hidden)
        order.quantity = shown
        order.hidden -= shown
        self.hidden -= shown
        self.quantity += shown
        self.queue.append(order)

    def fill(self, shares: int) -> list[tuple[RestingOrder, int]]:
        """Fill the first orders with a number of shares, an iceberg in its place with all of its quantity.

        An order that is filled in part keeps its place, and an iceberg displays a new part. A filled order has quantity
        0.
        returns  the orders, each with the quantity filled [shares]
        """
        filled: list[tuple[RestingOrder, int]] = []
        for order in self.orders():
            if not shares:
                break
            left = order.quantity + order.hidden
            quantity = min(left, shares)
            shares -= quantity
            left -= quantity
            shown = min(left, order.display_quantity) if order.display_quantity else left
            self.quantity += shown - order.quantity
            self.hidden += left - shown - order.hidden
            order.quantity, order.hidden = shown, left - shown
            self.count -= not left
            filled.append((order, quantity))
        self.sweep()
        return filled

    def orders(self) -> Iterator[RestingOrder]:
        """Return the orders in the queue, by priority."""
        return (order for order in islice(self.queue, self.head, None) if order.quantity)

    def sweep(self) -> None:
        """Remove the orders that have left."""
        self.queue = [order for order in islice(self.queue, self.head, None) if order.quantity]
        self.head = 0


def comes_before(client_id: str, quantity: int, levels: Iterable[PriceLevel]) -> bool:
    """Return whether an order of the client stands before the end of the first `quantity` shares of the levels.

    Hidden quantity stands behind all displayed quantity of its level, and so behind every order in the queue.
    """
    for level in levels:
        for order in level.orders():
            if order.client_id == client_id:
                return True
            quantity -= order.quantity
            if quantity <= 0:
                return False
        quantity -= level.hidden
        if quantity <= 0:
            return False
    return False
