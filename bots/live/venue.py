"""Connects a session to the running exchange."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import msgspec

from bots.client import Client
from bots.contract import Order
from bots.errors import Problem, Unavailable


class LiveVenue:
    """Sends a session's orders by HTTP, one request at a time.

    An order that was not answered may be in the market, on its way or lost. It is sent again under its client order id
    until it is answered, and no other request is sent before. The exchange takes it once, and decides about it. So no
    order of a bot stays undecided, and the session hears from the reports if it is in the market.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._unanswered: Order | None = None

    def place(self, order: Order) -> int:
        """Send an order and return its id. Raises Problem, Unavailable."""
        self._send_unanswered()
        try:
            return self._client.place(order).order_id
        except Unavailable as failure:
            if failure.outcome_unknown:
                self._unanswered = msgspec.structs.replace(order, client_order_id=failure.client_order_id)
            raise

    def cancel(self, security_id: str, order_id: int) -> None:
        """Request the cancellation of an order. Raises Problem, Unavailable."""
        self._send_unanswered()
        self._client.cancel(security_id, order_id)

    def cancel_all(self, security_id: str | None) -> None:
        """Request the cancellation of all orders. Raises Problem, Unavailable."""
        self._send_unanswered()
        self._client.cancel_all(security_id)

    def replace(self, security_id: str, order_id: int, *, quantity: int | None, price: Decimal | None) -> None:
        """Request new terms for an order: a new total, a new limit, or both. Raises Problem, Unavailable."""
        self._send_unanswered()
        self._client.replace(security_id, order_id, quantity=quantity, price=price)

    def _send_unanswered(self) -> None:
        if self._unanswered is not None:
            with suppress(Problem):  # refused: that is an answer
                self._client.place(self._unanswered)
            self._unanswered = None
