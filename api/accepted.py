"""Orders that were answered 202 a moment ago and that order entry may not have seen yet."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.messages import CancelRequest, OrderRequest

# Some seconds of orders at full speed; an order is usually in the log after a few milliseconds.
MOST_REMEMBERED = 50_000


class Accepted:
    """The last orders that this process has put on the queue; they read as pending until they are in the log."""

    def __init__(self) -> None:
        self._orders: dict[int, OrderRequest] = {}

    def remember(self, requests: Iterable[OrderRequest | CancelRequest]) -> None:
        """Remember the orders among the requests, and forget the oldest ones."""
        remembered = self._orders
        for request in requests:
            if isinstance(request, OrderRequest):
                remembered[request.order_id] = request
        while len(remembered) > MOST_REMEMBERED:
            del remembered[next(iter(remembered))]

    def order(self, order_id: int) -> OrderRequest | None:
        """The order as it was accepted; None when it was not, or not lately."""
        return self._orders.get(order_id)
