"""Sends a bot's orders to the running exchange and enforces the league's limit of requests per second."""

from __future__ import annotations

import time
from decimal import Decimal

from bots.client import Client
from bots.contract import Order
from bots.live.venue import LiveVenue


class RequestFlood(Exception):
    """A bot sends more requests in a second than it may."""


class MeteredVenue(LiveVenue):
    """Counts the requests of each second, and refuses all further requests once there were too many.

    flooded  whether there were too many; the bot's process ends a bot that catches the exception and goes on
    """

    def __init__(self, client: Client, most_a_second: int) -> None:
        super().__init__(client)
        self._most_a_second = most_a_second
        self._second = 0
        self._requests = 0
        self.flooded = False

    def place(self, order: Order) -> int:
        """Send an order and return its id. Raises Problem, Unavailable, RequestFlood."""
        self._count()
        return super().place(order)

    def cancel(self, security_id: str, order_id: int) -> None:
        """Request the cancellation of an order. Raises Problem, Unavailable, RequestFlood."""
        self._count()
        super().cancel(security_id, order_id)

    def cancel_all(self, security_id: str | None) -> None:
        """Request the cancellation of all orders. Raises Problem, Unavailable, RequestFlood."""
        self._count()
        super().cancel_all(security_id)

    def replace(self, security_id: str, order_id: int, *, quantity: int | None, price: Decimal | None) -> None:
        """Request new terms for an order. Raises Problem, Unavailable, RequestFlood."""
        self._count()
        super().replace(security_id, order_id, quantity=quantity, price=price)

    def _count(self) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._requests = second, 0
        self._requests += 1
        if self.flooded or self._requests > self._most_a_second:
            self.flooded = True
            raise RequestFlood(f"more than {self._most_a_second} requests in a second")
