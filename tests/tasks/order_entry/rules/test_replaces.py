"""Replacements: which are denied and why, and what those that are not reserve."""

from __future__ import annotations

import pytest

from tasks.messages import ReplaceOrder, ReplaceRequest
from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.decisions import Admitted
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.reservation import Terms
from tasks.order_entry.rules.risk import Funds, Shares
from tasks.order_entry.rules.rows import KnownOrder, PendingReplace
from tests.tasks.order_entry.rules.desks import (
    ISSUED_BELOW,
    NOW_US,
    cancel,
    desk,
    halt,
    mass_cancel,
    order,
    reasons,
    replace,
    security,
)

BUY, SELL, STOP, FILLED, NO_SHARES, FEES, ICEBERG = 1, 2, 3, 4, 5, 6, 7


def desk_with_orders(**known: object) -> Desk:
    """ANN buys 5 MSFT at 100.00 and sells 50; STOP waits to buy 5 up to 110.00; of FILLED 3 of 5 are bought."""
    terms = {
        BUY: ("limit", "buy", 0, 5, 5, 10_000, 10_000, 10_000),
        SELL: ("limit", "sell", 0, 50, 50, 10_000, 10_000, 10_000),
        STOP: ("stop", "buy", 0, 5, 5, 11_000, 11_000, 11_000),
        FILLED: ("limit", "buy", 3, 5, 5, 10_000, 10_000, 10_000),
        NO_SHARES: ("limit", "sell", 0, 5, 5, 10_000, 10_000, 10_000),
        FEES: ("limit", "buy", 0, 5, 5, 10_000, 10_000, 10_000, None, 10_000, 5, 10_000, 0),
        ICEBERG: ("limit", "sell", 0, 50, 50, 10_000, 10_000, 10_000, 1),
    }
    securities = dict.fromkeys(terms, "MSFT") | {NO_SHARES: "AAPL", FEES: "FEES"}
    fields = {
        "orders": {number: KnownOrder("ANN", security, is_open=True) for number, security in securities.items()},
        "terms": {number: Terms(*of) for number, of in terms.items()},
    }
    return desk(**fields | known)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (replace(ISSUED_BELOW, quantity=1), "unknown_order"),
        (replace(ISSUED_BELOW - 1, quantity=1), "waiting"),
        (replace(BUY, quantity=1, client_id="BOB"), "unknown_order"),
        (replace(BUY, quantity=1, security_id="AAPL"), "unknown_order"),
        (replace(BUY, quantity=1, security_id="XXXX"), "unknown_security"),
        (replace(BUY, quantity=1, client_id="NOBODY"), "unknown_account"),
        (replace(BUY, quantity=1, client_id="STOPPED"), "client_stopped"),
        (replace(BUY, quantity=1, client_id="CLOSED"), "account_closed"),
        (replace(BUY), "contradictory_terms"),
        (replace(STOP, price_cents=10_000), "price_not_allowed"),
        (replace(BUY, price_cents=1_000_001), "price_out_of_band"),
        (replace(BUY, quantity=1_001, price_cents=1), "quantity_too_large"),
        (replace(BUY, quantity=16), "insufficient_funds"),
        (replace(BUY, price_cents=30_001), "insufficient_funds"),
        (replace(STOP, quantity=15), "insufficient_funds"),
        (replace(FEES, quantity=15, security_id="FEES"), "insufficient_funds"),  # and the fees
        (replace(ICEBERG, quantity=101), "display_quantity_too_small"),
        (replace(SELL, quantity=151), "insufficient_holdings"),
        (replace(NO_SHARES, quantity=6, security_id="AAPL"), "insufficient_holdings"),
    ],
)
def test_denied(request_: ReplaceRequest, reason: str) -> None:
    entry = desk_with_orders()
    assert reasons(entry, request_) == [reason]
    assert (entry.funds, entry.shares, entry.terms, entry.replaced) == (
        desk().funds,
        desk().shares,
        desk_with_orders().terms,
        [],
    )


@pytest.mark.parametrize(
    ("request_", "reserved", "hold_cents"),
    [
        (replace(BUY, quantity=15), 100_000, 0),
        (replace(BUY, quantity=1), 0, 0),
        (replace(BUY, price_cents=30_000), 100_000, 30_000),
        (replace(BUY, price_cents=9_000), 0, 9_000),
        (replace(BUY, quantity=10, price_cents=5_000), 25_000, 5_000),  # 5 may fill at 100.00, and then 5 at 50.00
        (replace(BUY, quantity=6, price_cents=11_000), 16_000, 11_000),
        (replace(FILLED, quantity=6, price_cents=11_000), 13_000, 11_000),
        (replace(STOP, quantity=6), 11_000, 0),
        (replace(ICEBERG, quantity=100), 50, 0),
        (replace(ICEBERG, price_cents=9_000), 0, 0),
        (replace(SELL, quantity=150), 100, 0),
        (replace(SELL, quantity=10, price_cents=1), 0, 0),
    ],
)
def test_admitted(request_: ReplaceRequest, reserved: int, hold_cents: int) -> None:
    entry = desk_with_orders()
    side = entry.terms[request_.order_id].side
    assert decide(entry, request_) == Admitted(
        request_,
        ReplaceOrder(
            900,
            "ANN",
            request_.security_id,
            request_.order_id,
            side,
            request_.quantity,
            request_.price_cents,
            hold_cents,
            reserved,
            NOW_US,
        ),
        shard=0,
    )
    assert entry.replaced == [
        PendingReplace(request_.order_id, 900, "ANN", request_.quantity, request_.price_cents, reserved)
    ]
    if side == "buy":
        assert entry.funds["ANN"] == Funds(100_000 - reserved, 0, newly_held_cents=reserved)
        assert entry.shares == {("ANN", "MSFT"): Shares(100)}
    else:
        assert entry.funds["ANN"] == Funds(100_000, 0)
        assert entry.shares == {("ANN", "MSFT"): Shares(100 - reserved, newly_held=reserved)}


@pytest.mark.parametrize(
    ("terms", "reserved", "for_fees"),
    [
        ({"price_cents": 20_000}, 50_000, 500),
        ({"quantity": 6}, 10_000, 100),
        ({"price_cents": 9_000}, 0, 0),
        ({"price_cents": 10_001}, 5, 1),
        ({"quantity": 2}, 0, 0),
    ],
)
def test_48_a_replacement_holds_the_fee_of_what_it_may_come_to(
    terms: dict[str, int], reserved: int, for_fees: int
) -> None:
    entry = desk_with_orders()
    assert decide(entry, replace(FEES, security_id="FEES", **terms)).command.reserved == reserved
    assert entry.funds["ANN"] == Funds(100_000 - reserved - for_fees, 0, newly_held_cents=reserved + for_fees)


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"quantity": 101}, "display_quantity_too_small"),
        ({"price_cents": 10_001}, "price_off_tick"),
        ({"price_cents": 205}, "price_out_of_band"),
        ({"quantity": 61}, "notional_too_large"),
        ({"quantity": 31}, "position_limit"),
        ({"quantity": 30, "price_cents": 200}, "insufficient_funds"),
        ({"quantity": 30}, None),
    ],
)
def test_42_a_replacement_is_refused_like_a_new_order(terms: dict[str, int], reason: str | None) -> None:
    rules = {"max_order_notional_cents": 6_000, "max_position": 30}
    new = {"security_id": "TICK", "quantity": 10, "price_cents": 100, "display_quantity": 1}

    def entry() -> Desk:
        one = desk(
            limits=rules, securities={"TICK": security("TICK", tick_cents=5, min_price_cents=100, max_price_cents=200)}
        )
        one.funds["ANN"] = Funds(5_000, open_orders=0)
        return one

    assert reasons(entry(), order(1, **new | terms)) == [reason]
    assert reasons(entry(), order(1, **new), replace(1, security_id="TICK", **terms)) == [None, reason]


def test_an_order_of_the_unit_is_replaced_and_replaced_again() -> None:
    entry = desk()
    requests = [order(1, quantity=2), replace(1, quantity=4), replace(1, quantity=3), replace(1, price_cents=10_100)]
    decided = [decide(entry, request) for request in requests]
    # Each for itself has to cover every order in which the others may be decided.
    assert [d.command.reserved for d in decided[1:]] == [20_000, 10_000, 4 * 100]


def test_a_replacement_waits_no_longer_than_it_may() -> None:
    assert reasons(desk(patient=False), replace(ISSUED_BELOW - 1, quantity=1)) == ["unknown_order"]


def test_of_one_client_so_many_replacements_wait_at_most() -> None:
    entry = desk()
    requests = [replace(ISSUED_BELOW - 1, command_id=number, quantity=1) for number in range(1, 102)]
    assert reasons(entry, *requests, replace(1, client_id="BOB", quantity=1)) == [
        *["waiting"] * 100,
        "unknown_order",
        "waiting",
    ]


def test_a_denied_order_of_the_unit_is_not_replaced() -> None:
    assert reasons(desk(), order(1, quantity=99), replace(1, quantity=1)) == ["insufficient_funds", "unknown_order"]


def test_a_halted_security_takes_no_replacement() -> None:
    assert reasons(desk_with_orders(), halt(), replace(BUY, quantity=1), order(9), cancel(BUY), mass_cancel()) == [
        None,
        "halted",
        "halted",
        None,
        None,
    ]
    assert reasons(desk_with_orders(), halt(), halt(halted=False), replace(BUY, quantity=1)) == [None, None, None]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (replace(BUY, quantity=6), None),
        (replace(BUY, quantity=7), "notional_too_large"),
        (replace(BUY, price_cents=12_000), None),
        (replace(BUY, price_cents=12_001), "notional_too_large"),
        (replace(STOP, quantity=6), "notional_too_large"),
        (replace(SELL, quantity=7), "notional_too_large"),
        (replace(SELL, quantity=7, price_cents=100), None),
    ],
)
def test_a_replaced_order_is_worth_so_much_at_most(request_: ReplaceRequest, reason: str | None) -> None:
    assert reasons(desk_with_orders(limits={"max_order_notional_cents": 60_000}), request_) == [reason]


def test_a_client_comes_to_hold_so_much_at_most() -> None:
    entry = desk_with_orders(limits={"max_position": 10}, positions={("ANN", "MSFT"): 8})
    assert reasons(
        entry,
        replace(BUY, quantity=8),
        replace(BUY, quantity=7),
        replace(BUY, quantity=6),  # the 7 were counted already
        replace(BUY, quantity=8),
        replace(SELL, quantity=60),
    ) == ["position_limit", None, None, "position_limit", None]
