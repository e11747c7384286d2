"""A number stands for one request for ever."""

from __future__ import annotations

import pytest

from tasks.messages import Request
from tasks.order_entry.earlier import AnotherRequest, require_same
from tasks.order_entry.rules import decide
from tests.tasks.order_entry.desks import cancel, desk, halt, mass_cancel, order, replace

REQUESTS: list[Request] = [
    order(900),
    order(900, type="market", price_cents=None),
    order(900, quantity=2),
    order(900, client_id="STOPPED"),
    order(900, security_id="AAPL"),
    order(900, side="sell"),
    order(900, type="stop_limit", stop_price_cents=9_000),
    order(900, type="stop_limit", stop_price_cents=9_001),
    order(900, quantity=2, display_quantity=1),
    cancel(1),
    cancel(2),
    cancel(1, client_id="BOB"),
    replace(1, quantity=2),
    replace(1, quantity=3),
    replace(1, price_cents=10_001),
    mass_cancel(),
    mass_cancel(client_id="BOB"),
    halt(),
    halt(halted=False),
    halt("AAPL"),
]


def open_desk():
    entry = desk()
    entry.funds["STOPPED"].state = "open"
    decide(entry, order(1))
    return entry


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_is_told_from_every_other(request_: Request) -> None:
    decided = decide(open_desk(), request_)
    if not hasattr(decided, "command"):
        assert request_ == cancel(2) or request_.client_id == "BOB"
        return
    for other in REQUESTS:
        if other == request_:
            require_same(other, decided.command)
        else:
            with pytest.raises(AnotherRequest):
                require_same(other, decided.command)
