"""Checks requests as the api does, before they reach the exchange; a refused request takes no number.

The requests of a callback leave together when the callback returns; one that fails has sent nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import get_args, get_type_hints

from bots.contract import LimitOrder, MarketOrder, Order, ProblemDetails, StopLimitOrder, StopOrder
from bots.errors import Problem
from bots.simulated.clock import US_PER_S, time_of
from bots.simulated.configuration import SHARD
from bots.simulated.dollars import cents_of, price_of
from tasks.messages import (
    CancelRequest,
    ClientRequest,
    MassCancelRequest,
    OrderRequest,
    OrderType,
    ReplaceRequest,
)
from tasks.order_entry.rules.orders import contradiction, price_refusal
from tasks.shared.rules.securities import Security


class RequestFlood(Exception):
    """A bot sends more requests in a second than it may."""


_LIMITED = (LimitOrder, StopLimitOrder)
_WAITING = (StopOrder, StopLimitOrder)
# How long an order of each kind may wait: what the types of its fields say.
_TIMES = {kind: frozenset(get_args(get_type_hints(kind)["time_in_force"])) for kind in get_args(Order)}
# Seats from 1; the market itself has the series 0. Order 12,003 is the twelfth of seat 3.
SERIES = 1_000


class NumberSeries:
    """The numbers of one seat's orders and commands.

    Each seat has a series of its own, so that a bot's numbers do not depend on what others do at the same time.
    """

    def __init__(self, seat: int) -> None:
        self.next = SERIES + seat

    def take(self) -> int:
        """Return the next number."""
        number = self.next
        self.next += SERIES
        return number


class SimulatedVenue:
    """The venue of one bot's trading session.

    time_us  time of the current callback [us from the start], set by the player
    sent     its requests, which leave when it returns
    flooded  whether the bot has sent more requests than it may
    """

    def __init__(
        self,
        client_id: str,
        *,
        securities: Mapping[str, Security],
        numbers: NumberSeries,
        start_us: int,
        max_quantity: int,
        max_requests_per_s: int,
    ) -> None:
        self._client_id = client_id
        self._securities = securities
        self._numbers = numbers
        self._start_us = start_us
        self.time_us = 0
        self._max_quantity = max_quantity
        self._max_requests_per_s = max_requests_per_s
        self._second = -1
        self._requests = 0  # in this second
        self.sent: list[ClientRequest] = []
        self.flooded = False

    # -- called by the session ---------------------------------------------------------------------------------------

    def place(self, order: Order) -> int:
        """Send an order and return its id. Raises Problem, RequestFlood."""
        security = self._security(order.security_id)
        self._check_quantity(order.quantity)
        if order.time_in_force not in _TIMES[type(order)]:
            listed = ", ".join(sorted(_TIMES[type(order)]))
            raise _refused("validation_error", f"/time_in_force of this type of order must be one of: {listed}")
        order_type: OrderType = "market"
        price_cents = stop_cents = display_quantity = None
        post_only = False
        if isinstance(order, _LIMITED):
            order_type = "limit"
            price_cents = self._cents(order.price, security, "/price")
            post_only = order.post_only
        if isinstance(order, _WAITING):
            order_type = "stop" if isinstance(order, StopOrder) else "stop_limit"
            stop_cents = self._cents(order.stop_price, security, "/stop_price")
        if isinstance(order, LimitOrder):
            display_quantity = order.display_quantity
        expires_us = None
        if not isinstance(order, MarketOrder) and order.expires_at is not None:
            expires_us = time_of(order.expires_at)
            if expires_us is None:
                raise _refused("validation_error", "/expires_at must be a time as in RFC 3339")
            if expires_us <= self._now_us():
                raise _refused("expired", "/expires_at must be in the future")
        self._count()
        request = OrderRequest(
            self._numbers.next,
            self._client_id,
            order.client_order_id,
            order.security_id,
            order_type,
            order.side,
            order.quantity,
            price_cents,
            order.time_in_force,
            post_only,
            self._now_us(),
            stop_cents,
            display_quantity,
            expires_us,
        )
        if refused := contradiction(request):
            raise _refused(refused, "the terms of the order contradict each other")
        self.sent.append(request)
        return self._numbers.take()

    def cancel(self, security_id: str, order_id: int) -> None:
        """Request the cancellation of an order. Raises Problem, RequestFlood."""
        self._security(security_id)
        self._count()
        self.sent.append(CancelRequest(self._numbers.take(), self._client_id, security_id, order_id, self._now_us()))

    def cancel_all(self, security_id: str | None) -> None:
        """Request the cancellation of all orders in one security, or in all. Raises Problem, RequestFlood."""
        if security_id is not None:
            self._security(security_id)
        self._count()
        self.sent.append(
            MassCancelRequest(self._numbers.take(), self._client_id, SHARD, security_id, None, self._now_us())
        )

    def replace(self, security_id: str, order_id: int, *, quantity: int | None, price: Decimal | None) -> None:
        """Request new terms for an order. Raises Problem, RequestFlood."""
        security = self._security(security_id)
        if quantity is None and price is None:
            raise _refused("validation_error", "the replacement changes nothing: give quantity, price or both")
        if quantity is not None:
            self._check_quantity(quantity)
        price_cents = None if price is None else self._cents(price, security, "/price")
        self._count()
        self.sent.append(
            ReplaceRequest(
                self._numbers.take(), self._client_id, security_id, order_id, quantity, price_cents, self._now_us()
            )
        )

    # -- called by the player ----------------------------------------------------------------------------------------

    def take(self) -> list[ClientRequest]:
        """Take the requests of the callback, which leave now."""
        sent, self.sent = self.sent, []
        return sent

    # -- checks ------------------------------------------------------------------------------------------------------

    def _security(self, security_id: str) -> Security:
        security = self._securities.get(security_id)
        if security is None:
            listed = ", ".join(self._securities)
            raise _refused("unknown_security", f"/security_id: {security_id!r} is not one of {listed}")
        return security

    def _check_quantity(self, quantity: int) -> None:
        if type(quantity) is not int or not 1 <= quantity <= self._max_quantity:
            raise _refused("validation_error", f"/quantity must be a whole number from 1 to {self._max_quantity}")

    @staticmethod
    def _cents(price: Decimal, security: Security, pointer: str) -> int:
        cents = cents_of(price)
        if cents is None:
            raise _refused("validation_error", f"{pointer} must be a price in whole cents, such as 100.01")
        if refused := price_refusal(cents, security):
            tick, low, high = map(price_of, (security.tick_cents, security.min_price_cents, security.max_price_cents))
            raise _refused(refused, f"{pointer} must be a multiple of {tick} from {low} to {high}")
        return cents

    def _count(self) -> None:
        second = self.time_us // US_PER_S
        if second != self._second:
            self._second, self._requests = second, 0
        self._requests += 1
        if self._requests > self._max_requests_per_s:
            self.flooded = True
            raise RequestFlood(f"more than {self._max_requests_per_s} requests in a second")

    def _now_us(self) -> int:
        return self._start_us + self.time_us


def _refused(code: str, detail: str) -> Problem:
    return Problem(ProblemDetails(status=422, title="Unprocessable Content", code=code, detail=detail))
