"""Commands about securities: they take the path of orders, and their senders wait for order entry to decide them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import gevent

from api.orders.intake.ids import OrderIds
from api.orders.intake.queue import OrderQueue
from api.request.databases import reading
from api.wire.problems import Problem, invalid, not_found
from db.clearing_data.log.command_outcomes import outcome
from db.connect import Database
from tasks.messages import SecurityRequest

# The longest wait for the decision of order entry, and the time between two looks for it [s].
WAIT_S = 2.0
LOOK_S = 0.02


class Sent(NamedTuple):
    """A command that RabbitMQ has confirmed, and whether it is in the log yet."""

    command_id: int
    is_logged: bool


class SecurityCommands:
    """Sends commands about securities."""

    def __init__(self, *, ids: OrderIds, queue: OrderQueue, clearing_data: Database) -> None:
        self._ids = ids
        self._queue = queue
        self._clearing_data = clearing_data

    def send(self, request_of: Callable[[int, int], SecurityRequest]) -> Sent:
        """Send a command, and return once it is in the log or two seconds have passed.

        request_of  makes the request from its number and the time [us since 1970, UTC]
        raises      Problem  404, 409, 422: order entry denied the command; 503
        """
        (number,) = self._ids.take(1)
        self._queue.put([request_of(number, time.time_ns() // 1_000)])
        deadline = time.monotonic() + WAIT_S
        while True:
            with reading(self._clearing_data) as tx:
                found = outcome(tx, number)
            if found is not None and found.reason is not None:
                raise _problem_of(found.reason)
            if found is not None or time.monotonic() > deadline:
                return Sent(number, is_logged=found is not None)
            gevent.sleep(LOOK_S)


def _problem_of(reason: str) -> Problem:
    """Return the problem for a denial by order entry."""
    match reason:
        case "unknown_security":
            return not_found("security")
        case "security_exists":
            return Problem(409, reason, "a security has, or had, this id; choose another one")
        case "orders_open":
            return Problem(409, reason, "the security still has open orders", retry=True)
        case "shares_owed":
            return Problem(409, reason, "clients owe shares of the security", retry=True)
        case "settled":
            return Problem(409, reason, "the security is settled for good")
        case "worth_too_large":
            return invalid("", "all issued shares would be worth more than the exchange can book", code=reason)
        case "price_off_tick" | "price_out_of_band":
            return invalid("/reference_price", "must be a multiple of the tick, within the price limits", code=reason)
    return Problem(409, reason, "order entry denied the request")
