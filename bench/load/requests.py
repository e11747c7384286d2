"""The requests of one connection, framed before the clock starts, so that sending one costs only a system call."""

from __future__ import annotations

import re
from collections import deque

from bench.load.flow import Order, cycle

# Orders that a connection sends before it starts over: enough for price waves, few enough to keep in memory.
CYCLE_ORDERS_IN_ARRAYS = 10_000
CYCLE_ORDERS_ALONE = 2_000

# Arrays between an order and its cancel: by then about half of the orders are filled.
ARRAYS_BEFORE_CANCEL = 4

_ORDER_ID = re.compile(rb'"order_id": ?(\d+)')


class SingleOrders:
    """One order in each request."""

    orders_each = 1  # in the last request

    def __init__(self, head: bytes, *, connection: int, seed: int) -> None:
        orders = cycle(connection, seed=seed, orders=CYCLE_ORDERS_ALONE)
        self._framed = [frame(head, order.json) for order in orders]
        self._next = 0

    def take(self) -> bytes:
        """Return the next request."""
        request = self._framed[self._next]
        self._next = (self._next + 1) % len(self._framed)
        return request

    def answered(self, body: bytes) -> None:
        """Ignore the answer: no request depends on it."""


class Arrays(SingleOrders):
    """An array of orders in each request."""

    def __init__(self, head: bytes, *, connection: int, seed: int, size: int) -> None:
        self.orders_each = size
        self._framed = [frame(head, array(part)) for part in _parts(connection, seed=seed, size=size)]
        self._next = 0


class ArraysWithCancels:
    """An array of orders and cancels in each request; the cancels name orders accepted some arrays ago."""

    def __init__(self, head: bytes, *, connection: int, seed: int, size: int, cancels: int) -> None:
        self._head = head
        self._cancels = cancels
        self.orders_each = size - cancels
        self._parts = _parts(connection, seed=seed, size=size - cancels)
        self._next = 0
        self._accepted: deque[list[str]] = deque()

    def take(self) -> bytes:
        """Return the next request, framed now because its order ids were unknown before."""
        orders = [order.json for order in self._parts[self._next]]
        cancels = self._accepted.popleft() if len(self._accepted) >= ARRAYS_BEFORE_CANCEL else []
        self.orders_each = len(orders) + len(cancels)
        return frame(self._head, f"[{','.join(orders + cancels)}]")

    def answered(self, body: bytes) -> None:
        """Record the ids of the accepted orders, to cancel them later."""
        orders = self._parts[self._next]
        self._next = (self._next + 1) % len(self._parts)
        pairs = zip(orders, _ORDER_ID.findall(body), strict=False)  # the ids of the cancels come last
        cancels = [
            f'{{"type":"cancel","security_id":"{order.security_id}","order_id":{order_id.decode()}}}'
            for order, order_id in pairs
        ]
        self._accepted.append(cancels[: self._cancels])


def array(orders: list[Order]) -> str:
    """Return orders as a JSON array."""
    return f"[{','.join(order.json for order in orders)}]"


def frame(head: bytes, body: str) -> bytes:
    """Return a request; `head` has its request line and all headers but the length."""
    encoded = body.encode()
    return head + b"Content-Length: %d\r\n\r\n" % len(encoded) + encoded


def _parts(connection: int, *, seed: int, size: int) -> list[list[Order]]:
    orders = cycle(connection, seed=seed, orders=CYCLE_ORDERS_IN_ARRAYS // size * size)
    return [orders[first : first + size] for first in range(0, len(orders), size)]
