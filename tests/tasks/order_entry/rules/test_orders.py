"""New orders: which are denied and why, and what those that are not hold and become."""

from __future__ import annotations

import pytest

from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.decisions import Admitted, Denied
from tasks.order_entry.rules.reservation import Terms
from tasks.order_entry.rules.risk import Funds, Shares
from tasks.order_entry.rules.rows import KnownOrder
from tests.tasks.order_entry.rules.desks import NOW_US, desk, order, placed, reasons

MARKET = {"type": "market", "price_cents": None}
STOP = {"type": "stop", "price_cents": None, "stop_price_cents": 9_000}
STOP_LIMIT = {"type": "stop_limit", "stop_price_cents": 9_000}
ICEBERG = {"quantity": 10, "display_quantity": 2}
GTD = {"time_in_force": "gtd", "expires_us": NOW_US + 1}


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"price_cents": None}, "price_missing"),
        (STOP_LIMIT | {"price_cents": None}, "price_missing"),
        ({"type": "market"}, "price_not_allowed"),
        (STOP | {"price_cents": 10_000}, "price_not_allowed"),
        (STOP | {"stop_price_cents": None}, "stop_price_missing"),
        (STOP_LIMIT | {"stop_price_cents": None}, "stop_price_missing"),
        ({"stop_price_cents": 9_000}, "stop_price_not_allowed"),
        (MARKET | {"stop_price_cents": 9_000}, "stop_price_not_allowed"),
        ({"time_in_force": "fok", "post_only": True}, "contradictory_terms"),
        ({"time_in_force": "ioc", "post_only": True}, "contradictory_terms"),
        (MARKET | {"post_only": True}, "contradictory_terms"),
        (STOP | {"post_only": True}, "contradictory_terms"),
        (STOP_LIMIT | {"post_only": True, "time_in_force": "ioc"}, "contradictory_terms"),
        (ICEBERG | {"time_in_force": "ioc"}, "contradictory_terms"),
        (ICEBERG | {"display_quantity": 10}, "contradictory_terms"),
        (ICEBERG | {"quantity": 201}, "display_quantity_too_small"),
        (ICEBERG | MARKET, "contradictory_terms"),
        (ICEBERG | STOP, "contradictory_terms"),
        (ICEBERG | STOP_LIMIT, "contradictory_terms"),
        ({"time_in_force": "gtd"}, "contradictory_terms"),
        ({"expires_us": NOW_US + 1}, "contradictory_terms"),
        ({"time_in_force": "day", "expires_us": NOW_US + 1}, "contradictory_terms"),
        (GTD | {"expires_us": NOW_US}, "expired"),
        (MARKET | GTD, "contradictory_terms"),
        (MARKET | {"time_in_force": "day"}, "contradictory_terms"),
        ({"time_in_force": "auction", "post_only": True}, "contradictory_terms"),
        (STOP | {"time_in_force": "auction"}, "contradictory_terms"),
        (STOP_LIMIT | {"time_in_force": "auction"}, "contradictory_terms"),
        (ICEBERG | {"time_in_force": "auction"}, "contradictory_terms"),
        ({"security_id": "SHUT"}, "closed"),
        ({"security_id": "OVER"}, "settled"),
        ({"client_id": "SMALL", "quantity": 6, "price_cents": 1}, "quantity_too_large"),
        ({"client_id": "SMALL", "price_cents": 50_001}, "notional_too_large"),
        ({"quantity": 1_001, "price_cents": 1}, "quantity_too_large"),
        ({"security_id": "XXXX"}, "unknown_security"),
        ({"client_id": "NOBODY"}, "unknown_account"),
        ({"client_id": "DTCC"}, "unknown_account"),
        ({"client_id": "STOPPED"}, "client_stopped"),
        ({"client_id": "CLOSED"}, "account_closed"),
        ({"client_id": "TEAM"}, "other_market"),
        ({"client_id": "TEAM", "security_id": "CUP8"}, "other_market"),
        ({"security_id": "CUP"}, "other_market"),
        ({"security_id": "HALT"}, "halted"),
        (MARKET | {"security_id": "HALT"}, "halted"),
        ({"security_id": "TICK", "price_cents": 101}, "price_off_tick"),
        ({"security_id": "TICK", "price_cents": 95}, "price_out_of_band"),
        ({"security_id": "TICK", "price_cents": 205}, "price_out_of_band"),
        (STOP | {"security_id": "TICK", "stop_price_cents": 101}, "price_off_tick"),
        (STOP | {"security_id": "TICK", "stop_price_cents": 205}, "price_out_of_band"),
        (STOP_LIMIT | {"security_id": "TICK", "price_cents": 150, "stop_price_cents": 95}, "price_out_of_band"),
        (MARKET | {"security_id": "NEW"}, "no_reference_price"),
        ({"quantity": 11}, "insufficient_funds"),
        (MARKET | {"quantity": 10}, "insufficient_funds"),  # it may cost 10 x 110.00
        (STOP | {"quantity": 11}, "insufficient_funds"),  # it may cost 11 x 99.00
        ({"security_id": "FEES", "quantity": 10}, "insufficient_funds"),  # and the fee
        ({"client_id": "BOB"}, "insufficient_funds"),
        ({"side": "sell", "quantity": 101}, "insufficient_holdings"),
        ({"side": "sell", "security_id": "AAPL"}, "insufficient_holdings"),
        (MARKET | {"side": "sell", "quantity": 101}, "insufficient_holdings"),
        ({"side": "sell", "client_id": "BOB"}, "insufficient_holdings"),
    ],
)
def test_denied(terms: dict[str, object], reason: str) -> None:
    entry = desk()
    request = order(**terms)
    decision = decide(entry, request)
    assert isinstance(decision, Denied)
    assert (decision.request, decision.reason) == (request, reason)
    assert entry.funds == desk().funds
    assert entry.shares == desk().shares


def test_an_account_of_a_competition_trades_its_securities() -> None:
    assert isinstance(decide(desk(), order(client_id="TEAM", security_id="CUP")), Admitted)


@pytest.mark.parametrize(
    ("terms", "held_cents", "held_shares", "command"),
    [
        ({"quantity": 10}, 100_000, 0, {}),
        ({"security_id": "TICK", "price_cents": 105}, 105, 0, {}),
        ({"security_id": "TICK", "price_cents": 200}, 200, 0, {}),
        ({"security_id": "NEW"}, 10_000, 0, {}),
        ({"time_in_force": "fok"}, 10_000, 0, {"time_in_force": "fok"}),
        ({"post_only": True}, 10_000, 0, {"post_only": True}),
        (GTD, 10_000, 0, {"time_in_force": "gtd", "expires_us": NOW_US + 1}),
        ({"time_in_force": "day"}, 10_000, 0, {"time_in_force": "day"}),
        ({"time_in_force": "day", "post_only": True}, 10_000, 0, {"time_in_force": "day"}),
        (ICEBERG | GTD, 100_000, 0, {"display_quantity": 2, "expires_us": NOW_US + 1}),
        ({"time_in_force": "auction"}, 10_000, 0, {"time_in_force": "auction"}),
        (MARKET | {"time_in_force": "auction"}, 11_000, 0, {"price_cents": 11_000, "time_in_force": "auction"}),
        (STOP | GTD, 9_900, 0, {"price_cents": 9_900, "time_in_force": "gtd"}),
        (STOP | {"time_in_force": "day"}, 9_900, 0, {"price_cents": 9_900, "time_in_force": "day"}),
        (STOP_LIMIT | {"time_in_force": "day"}, 10_000, 0, {}),
        ({"security_id": "CALL", "time_in_force": "ioc"}, 10_000, 0, {}),  # the engine's word
        ({"side": "sell", "quantity": 100}, 0, 100, {}),
        (MARKET | {"quantity": 9}, 99_000, 0, {"price_cents": 11_000, "time_in_force": "ioc"}),
        (MARKET | {"side": "sell"}, 0, 1, {"price_cents": 9_000, "time_in_force": "ioc"}),
        # The collar of a stop order is that of its stop price, and needs no last price.
        (STOP | {"security_id": "NEW"}, 9_900, 0, {"price_cents": 9_900, "time_in_force": "ioc"}),
        (STOP | {"side": "sell"}, 0, 1, {"price_cents": 8_100, "time_in_force": "ioc"}),
        (STOP_LIMIT, 10_000, 0, {}),
        (STOP_LIMIT | {"post_only": True}, 10_000, 0, {}),
        (STOP_LIMIT | {"time_in_force": "fok"}, 10_000, 0, {}),
        (ICEBERG, 100_000, 0, {"display_quantity": 2}),
        (ICEBERG | {"side": "sell", "post_only": True}, 0, 10, {"display_quantity": 2}),
        (ICEBERG | {"quantity": 200, "price_cents": 1}, 200, 0, {"display_quantity": 2}),
        # With the fee on all of it, 1 %, rounded up once.
        ({"security_id": "FEES", "quantity": 9}, 9 * 10_100, 0, {"hold_cents": 10_000}),
        ({"security_id": "FEES", "quantity": 101, "price_cents": 1}, 103, 0, {"hold_cents": 1}),
        (
            MARKET | {"security_id": "FEES"},
            11_110,
            0,
            {"price_cents": 11_000, "hold_cents": 11_000, "time_in_force": "ioc"},
        ),
    ],
)
def test_admitted(terms: dict[str, object], held_cents: int, held_shares: int, command: dict[str, object]) -> None:
    entry = desk()
    request = order(7, **terms)
    hold = held_cents // request.quantity
    assert decide(entry, request) == Admitted(request, placed(request, **{"hold_cents": hold} | command), shard=0)
    assert entry.funds["ANN"] == Funds(100_000 - held_cents, 0, newly_held_cents=held_cents, newly_open=1)
    assert entry.shares == {("ANN", "MSFT"): Shares(100 - held_shares, newly_held=held_shares)}


def test_orders_that_are_affordable_alone_but_not_together() -> None:
    assert reasons(desk(), order(1, quantity=6), order(2, quantity=6), order(3, quantity=4)) == [
        None,
        "insufficient_funds",
        None,
    ]


def test_shares_are_sold_once() -> None:
    sales = [order(number, side="sell", quantity=60) for number in (1, 2)]
    assert reasons(desk(), *sales, order(3, side="sell", quantity=40)) == [None, "insufficient_holdings", None]


def test_a_client_has_so_many_open_orders() -> None:
    entry = desk(funds={"ANN": Funds(100_000, open_orders=1)})
    assert reasons(entry, order(1), order(2, quantity=99), order(3), order(4)) == [
        None,
        "insufficient_funds",
        None,
        "too_many_open_orders",
    ]


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"quantity": 5}, None),
        ({"quantity": 6}, "notional_too_large"),
        ({"quantity": 6, "side": "sell"}, "notional_too_large"),
        (MARKET | {"quantity": 5}, "notional_too_large"),  # at its collar
        (MARKET | {"quantity": 5, "side": "sell"}, None),
        ({"quantity": 5, "security_id": "FEES"}, None),  # fees are not part of it
    ],
)
def test_an_order_is_worth_so_much_at_most(terms: dict[str, object], reason: str | None) -> None:
    assert reasons(desk(limits={"max_order_notional_cents": 50_000}), order(**terms)) == [reason]


def test_a_client_comes_to_hold_so_much_at_most() -> None:
    entry = desk(limits={"max_position": 10}, positions={("ANN", "MSFT"): 4, ("BOB", "MSFT"): 10})
    assert reasons(
        entry,
        order(1, quantity=7, price_cents=1),
        order(2, quantity=4, price_cents=1),
        order(3, quantity=3, price_cents=1),
        order(4, quantity=2, price_cents=1),
        order(5, quantity=50, side="sell"),
        order(6, quantity=10, price_cents=1, security_id="AAPL"),
    ) == ["position_limit", None, "position_limit", None, None, "too_many_open_orders"]


def test_what_cannot_be_paid_does_not_count_as_position() -> None:
    entry = desk(limits={"max_position": 20})
    assert reasons(entry, order(1, quantity=11), order(2, quantity=20, price_cents=1)) == ["insufficient_funds", None]


def test_a_client_order_id_stands_for_one_order() -> None:
    entry = desk(taken={("ANN", "old")})
    requests = [order(1, client_order_id="old"), order(2, client_order_id="new"), order(3, client_order_id="new")]
    assert reasons(entry, *requests) == ["duplicate_client_order_id", None, "duplicate_client_order_id"]


def test_a_denied_order_keeps_its_client_order_id() -> None:
    requests = [order(1, client_order_id="a", quantity=11), order(2, client_order_id="a")]
    assert reasons(desk(), *requests) == ["insufficient_funds", "duplicate_client_order_id"]


def test_orders_are_known_to_what_follows_in_the_batch() -> None:
    entry = desk(open_orders={"ANN": {}})
    reasons(entry, order(1, quantity=2), order(2, quantity=99), order(3, client_id="BOB"))
    assert entry.orders == {
        1: KnownOrder("ANN", "MSFT", is_open=True),
        2: KnownOrder("ANN", "MSFT", is_open=False),
        3: KnownOrder("BOB", "MSFT", is_open=False),
    }
    assert entry.terms == {1: Terms("limit", "buy", 0, 2, 2, 10_000, 10_000, 10_000, None, 0, 2, 10_000)}
    assert list(entry.open_orders["ANN"]) == [1]
    assert list(entry.open_orders) == ["ANN"]


def test_an_account_with_limits_of_its_own_keeps_to_them_and_the_others_to_the_exchanges() -> None:
    entry = desk()
    asked = [order(number, client_id="SMALL", price_cents=1) for number in (1, 2)]
    asked += [order(number, client_id="LARGE", quantity=1_500) for number in range(3, 8)]
    asked += [order(number, price_cents=1) for number in range(8, 12)]
    assert reasons(entry, *asked) == [None, "too_many_open_orders", *[None] * 5, *[None] * 3, "too_many_open_orders"]
