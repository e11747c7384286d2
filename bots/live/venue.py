"""Connects a session to the running exchange."""

from __future__ import annotations

from decimal import Decimal

from bots.client import Client
from bots.contract import Order


class LiveVenue:
    """Sends a session's orders by HTTP, one request at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def place(self, order: Order) -> int:
        """Send an order and return its id. Raises Problem, Unavailable."""
        return self._client.place(order).order_id

    def cancel(self, security_id: str, order_id: int) -> None:
        """Request the cancellation of an order. Raises Problem, Unavailable."""
        self._client.cancel(security_id, order_id)

    def cancel_all(self, security_id: str | None) -> None:
        """Request the cancellation of all orders. Raises Problem, Unavailable."""
        self._client.cancel_all(security_id)

    def replace(self, security_id: str, order_id: int, *, quantity: int | None, price: Decimal | None) -> None:
        """Request new terms for an order. Raises Problem, Unavailable."""
        self._client.replace(security_id, order_id, quantity=quantity, price=price)
