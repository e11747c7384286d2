"""Orders that were answered 202 a moment ago and that order entry may not have seen yet."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.messages import OrderRequest, Request

# At least so many are remembered, and at most twice as many: some seconds at full speed, where an order is usually
# in the log after a few milliseconds.
REMEMBERED = 25_000


class Accepted:
    """The last orders that this process has put on the queue; they read as pending until they are in the log.

    Kept in two generations: forgetting the oldest of one dictionary, one by one, gets slower with each that is gone.
    """

    def __init__(self) -> None:
        self._young: dict[int, OrderRequest] = {}
        self._old: dict[int, OrderRequest] = {}

    def remember(self, requests: Iterable[Request]) -> None:
        """Remember the orders among the requests, and forget the oldest ones."""
        if len(self._young) >= REMEMBERED:
            self._old, self._young = self._young, {}
        for request in requests:
            if isinstance(request, OrderRequest):
                self._young[request.order_id] = request

    def order(self, order_id: int) -> OrderRequest | None:
        """The order as it was accepted; None when it was not, or not lately."""
        return self._young.get(order_id) or self._old.get(order_id)
