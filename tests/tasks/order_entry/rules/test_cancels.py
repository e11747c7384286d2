"""Cancels of one order and of many."""

from __future__ import annotations

import pytest

from tasks.messages import CancelOrder, CancelRequest, MassCancel, MassCancelRequest
from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.decisions import Admitted
from tasks.order_entry.rules.rows import KnownOrder, OpenOrder
from tests.tasks.order_entry.rules.desks import ISSUED_BELOW, NOW_US, cancel, desk, halt, mass_cancel, order, reasons

KNOWN = {
    1: KnownOrder("ANN", "MSFT", is_open=True),
    2: KnownOrder("ANN", "MSFT", is_open=False),
    3: KnownOrder("BOB", "MSFT", is_open=True),
    4: KnownOrder("ANN", "HALT", is_open=True),
    5: KnownOrder("STOPPED", "MSFT", is_open=True),
    6: KnownOrder("CLOSED", "MSFT", is_open=True),
}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (cancel(1), None),
        (cancel(2), "unknown_order"),
        (cancel(3), "unknown_order"),
        (cancel(1, security_id="AAPL"), "unknown_order"),
        (cancel(1, security_id="XXXX"), "unknown_security"),
        (cancel(1, client_id="NOBODY"), "unknown_account"),
        (cancel(4, security_id="HALT"), None),
        (cancel(5, client_id="STOPPED"), None),
        (cancel(6, client_id="CLOSED"), None),
        (cancel(ISSUED_BELOW - 1), "unknown_order"),
        (cancel(ISSUED_BELOW), "unknown_order"),
    ],
)
def test_cancels(request_: CancelRequest, reason: str | None) -> None:
    assert reasons(desk(orders=dict(KNOWN)), request_) == [reason]


def test_a_cancel_goes_to_the_shard_of_its_security() -> None:
    request = cancel(5, security_id="AAPL")
    command = CancelOrder(900, "ANN", "AAPL", 5, NOW_US)
    known = desk(orders={5: KnownOrder("ANN", "AAPL", is_open=True)})
    assert decide(known, request) == Admitted(request, command, shard=1)


def test_a_cancel_knows_the_orders_before_it_in_the_batch() -> None:
    refused = order(11, quantity=11)
    assert reasons(desk(), order(10), cancel(10), refused, cancel(11), cancel(10, client_id="BOB")) == [
        None,
        None,
        "insufficient_funds",
        "unknown_order",
        "unknown_order",
    ]


def open_orders(*orders: OpenOrder) -> dict[str, dict[int, OpenOrder]]:
    by_client: dict[str, dict[int, OpenOrder]] = {"ANN": {}, "BOB": {}, "STOPPED": {}}
    for one in orders:
        by_client[one.client_id][one.order_id] = one
    return by_client


OPEN = (
    OpenOrder(1, "ANN", "MSFT", "buy"),
    OpenOrder(2, "ANN", "MSFT", "sell"),
    OpenOrder(3, "ANN", "AAPL", "buy"),
    OpenOrder(4, "ANN", "HALT", "buy"),
    OpenOrder(5, "STOPPED", "MSFT", "buy"),
)


@pytest.mark.parametrize(
    ("request_", "order_ids"),
    [
        (mass_cancel(), [1, 2, 4]),
        (mass_cancel(shard=1), [3]),
        (mass_cancel(shard=2), []),
        (mass_cancel(security_id="MSFT"), [1, 2]),
        (mass_cancel(side="buy"), [1, 4]),
        (mass_cancel(security_id="MSFT", side="sell"), [2]),
        (mass_cancel(security_id="NEW"), []),
        (mass_cancel(client_id="STOPPED"), [5]),
        (mass_cancel(client_id="BOB"), []),
    ],
)
def test_mass_cancels(request_: MassCancelRequest, order_ids: list[int]) -> None:
    command = MassCancel(900, request_.client_id, order_ids, NOW_US)
    entry = desk(open_orders=open_orders(*OPEN))
    assert decide(entry, request_) == Admitted(request_, command, request_.shard)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (mass_cancel(client_id="NOBODY"), "unknown_account"),
        (mass_cancel(shard=3), "unknown_shard"),
        (mass_cancel(security_id="XXXX"), "unknown_security"),
    ],
)
def test_denied_mass_cancels(request_: MassCancelRequest, reason: str) -> None:
    entry = desk(open_orders=open_orders(*OPEN))
    assert reasons(entry, request_) == [reason]
    assert entry.open_orders == open_orders(*OPEN)


def test_a_mass_cancel_of_a_security_goes_to_its_shard_whatever_shard_it_names() -> None:
    entry = desk(open_orders=open_orders(*OPEN))
    elsewhere = mass_cancel(security_id="AAPL")
    decided = decide(entry, elsewhere)
    assert isinstance(decided, Admitted)
    assert decided.shard == entry.securities["AAPL"].shard != elsewhere.shard
    (mark,) = entry.new_marks.values()
    assert mark.shard == decided.shard


def test_a_mass_cancel_takes_the_orders_before_it_in_the_batch_and_none_twice() -> None:
    entry = desk(open_orders=open_orders(*OPEN))
    requests = [order(10), mass_cancel(side="buy"), order(11), halt(), mass_cancel(), mass_cancel()]
    commands = [decide(entry, request).command for request in requests]
    assert [command.order_ids for command in commands if isinstance(command, MassCancel)] == [[1, 4, 10], [2, 11], []]


@pytest.mark.parametrize(
    ("cancel_", "cancelled"),
    [
        (cancel(1, received_us=9), [1]),
        (cancel(2, received_us=9), [2]),
        (cancel(1, received_us=5), []),  # taken no later than its order: it was meant for another one
        (cancel(1, received_us=9, client_id="STOPPED"), []),
        (cancel(1, received_us=9, security_id="TICK"), []),
        (mass_cancel(received_us=9), [1, 2]),
        (mass_cancel(received_us=9, side="sell"), [2]),
        (mass_cancel(received_us=9, security_id="MSFT"), [1, 2]),
        (mass_cancel(received_us=9, security_id="TICK"), []),
        (mass_cancel(received_us=9, shard=1), [3]),
        (mass_cancel(received_us=5), []),
    ],
)
def test_47_an_order_that_comes_after_a_cancel_that_was_sent_after_it_is_cancelled(
    cancel_: CancelRequest | MassCancelRequest, cancelled: list[int]
) -> None:
    entry = desk(open_orders=open_orders())
    orders = [order(1), order(2, side="sell"), order(3, security_id="AAPL")]
    assert reasons(entry, cancel_, *orders)[1:] == [
        "cancelled" if number in cancelled else None for number in (1, 2, 3)
    ]


def test_41_a_cancel_of_a_number_that_was_never_given_out_leaves_no_mark() -> None:
    entry = desk()
    assert reasons(entry, cancel(ISSUED_BELOW, received_us=9)) == ["unknown_order"]
    assert entry.new_marks == {}


def test_of_the_marks_of_one_filter_the_latest_stays() -> None:
    entry = desk(open_orders=open_orders())
    reasons(entry, mass_cancel(received_us=9), mass_cancel(received_us=7), mass_cancel(received_us=8, side="buy"))
    assert [mark.before_us for mark in entry.new_marks.values()] == [9, 8]
