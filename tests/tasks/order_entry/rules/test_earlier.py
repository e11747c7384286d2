"""A number stands for one request for ever."""

from __future__ import annotations

import pytest

from tasks.messages import Request
from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.decisions import Dropped
from tasks.order_entry.rules.earlier import is_same, once_each, without_control_characters
from tests.tasks.order_entry.rules.desks import cancel, desk, halt, mass_cancel, order, replace

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
    order(900, price_cents=9_999),
    order(900, time_in_force="ioc"),
    order(900, post_only=True),
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
def test_a_request_is_distinguished_from_every_other(request_: Request) -> None:
    decided = decide(open_desk(), request_)
    if not hasattr(decided, "command"):
        assert request_ == cancel(2) or request_.client_id == "BOB"
        return
    for other in REQUESTS:
        assert is_same(other, decided.command) is (other == request_)


def test_37_of_copies_the_first_counts_and_what_differs_is_dropped() -> None:
    first, copy = order(1), order(1, received_us=6)
    batch = [order(2), first, copy, cancel(7, command_id=1), order(1, quantity=2), order(3)]
    assert once_each(batch) == (
        {2: order(2), 1: first, 3: order(3)},
        [Dropped(batch[3], "number_reused"), Dropped(batch[4], "number_reused")],
    )


def test_names_with_control_characters_are_taken_out() -> None:
    bad = [order(2, client_order_id="a\x00b"), cancel(1, command_id=3, security_id="M\n"), mass_cancel(client_id="\t")]
    batch, _ = once_each([order(1, client_order_id="a-1"), *bad])
    assert without_control_characters(batch, list(batch)) == [Dropped(one, "control_character") for one in bad]
    assert batch == {1: order(1, client_order_id="a-1")}
