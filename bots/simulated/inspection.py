"""Checks the messages of a player in a process of its own, where a stranger may have changed our code.

The same checks have refused an honest bot's requests before they left its process, so whatever fails here is a forgery
and ends the bot.
"""

from __future__ import annotations

from collections.abc import Sequence

from bots.simulated.clock import FOREVER_US, US_PER_S
from bots.simulated.configuration import SHARD
from bots.simulated.player import Call, Terms, Turn
from bots.simulated.venue import NumberSeries
from tasks.messages import CancelRequest, ClientRequest, MassCancelRequest, OrderRequest, ReplaceRequest
from tasks.order_entry.rules.orders import contradiction, price_refusal

# Callbacks that may have sent something in one turn, and refusal codes of one turn.
_MOST_CALLS = 10_000
_MOST_CODES = 64
_LONGEST_CODE = 48


class ForgedTurn(Exception):
    """An answer that our own code would not have given."""


class Inspector:
    """Checks one bot's turns; it counts the numbers and requests itself."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._listed = {one.security_id: one for one in terms.listed}
        self._numbers = NumberSeries(terms.number)
        self._second = -1
        self._requests = 0
        self._quiet = Turn([], timer_us=FOREVER_US, refusals={}, notes=[])

    def check_timer(self, timer_us: int, *, timer_from_us: int) -> None:
        """Check when a timer is due; `timer_from_us` is the earliest time at which it may be. Raises ForgedTurn."""
        _require(timer_us >= timer_from_us, "its timer is due in the past")

    def quiet(self, timer_us: int) -> Turn:
        """Return a turn in which only the timer was set, which has been checked."""
        self._quiet.timer_us = timer_us
        return self._quiet

    def check(self, turn: Turn, *, from_us: int, until_us: int, timer_from_us: int) -> None:
        """Check a turn that lasts from one time up to but not at another. Raises ForgedTurn.

        timer_from_us  the earliest time at which its timer may be due
        """
        self.check_timer(turn.timer_us, timer_from_us=timer_from_us)
        _require(len(turn.calls) <= _MOST_CALLS and len(turn.refusals) <= _MOST_CODES, "its turn is too long")
        until_s = until_us / US_PER_S
        _require(turn.failure is None or 0 <= turn.failure.time_s < until_s, "it fails at another time than now")
        _require(all(0 <= note.time_s < until_s for note in turn.notes), "it logs at another time than now")
        _require(
            all(len(code) <= _LONGEST_CODE and 0 < number <= _MOST_CALLS for code, number in turn.refusals.items()),
            "its refusals are none of the exchange's",
        )
        for call in turn.calls:
            _require(from_us <= call.time_us < until_us, "it sends at another time than now")
            from_us = call.time_us
            self._check_call(call)

    def _check_call(self, call: Call) -> None:
        second = call.time_us // US_PER_S
        if second != self._second:
            self._second, self._requests = second, 0
        self._requests += len(call.requests)
        _require(self._requests <= self._terms.max_requests_per_s, "it sends more than it may")
        for request in call.requests:
            self._check_request(request, self._terms.start_us + call.time_us)

    def _check_request(self, request: ClientRequest, now_us: int) -> None:
        number = request.order_id if isinstance(request, OrderRequest) else request.command_id
        _require(number == self._numbers.next, "a request has another number than the next one")
        self._numbers.take()
        _require(request.client_id == self._terms.client_id, "it sends as another client")
        _require(request.received_us == now_us, "it sends at another time than now")
        if isinstance(request, OrderRequest):
            self._check_order(request)
        elif isinstance(request, ReplaceRequest):
            self._check_quantity(request.quantity)
            self._check_prices(request.security_id, [request.price_cents])
        elif isinstance(request, MassCancelRequest):
            _require(request.shard == SHARD and request.side is None, "it cancels what it may not")
            _require(request.security_id is None or request.security_id in self._listed, "it cancels what it may not")
        else:
            assert isinstance(request, CancelRequest), "there is no other request"
            _require(request.security_id in self._listed, "it trades what it may not")

    def _check_order(self, order: OrderRequest) -> None:
        self._check_quantity(order.quantity)
        self._check_prices(order.security_id, [order.price_cents, order.stop_price_cents])
        _require(contradiction(order) is None, "the terms of an order contradict each other")

    def _check_quantity(self, quantity: int | None) -> None:
        _require(quantity is None or quantity <= self._terms.max_quantity, "an order is larger than allowed")

    def _check_prices(self, security_id: str, prices: Sequence[int | None]) -> None:
        security = self._listed.get(security_id)
        if security is None:
            raise ForgedTurn("it trades what it may not")
        _require(
            not any(price_refusal(price, security) for price in prices if price is not None),
            "a price is not one of the security's",
        )


def _require(holds: bool, fault: str) -> None:
    if not holds:
        raise ForgedTurn(fault)
