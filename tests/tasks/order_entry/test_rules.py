"""The rules of order entry, request by request."""

from __future__ import annotations

from fractions import Fraction

import pytest

from db.clearing_data.rows import KnownOrder, Security
from tasks.messages import CancelOrder, CancelRequest, OrderRequest, PlaceOrder
from tasks.order_entry.risk import Funds, Shares
from tasks.order_entry.rules import Admitted, Denied, EntryDesk, Limits

NOW_US = 1_000_000
ISSUED_BELOW = 1_001


def security(security_id: str, **terms: object) -> Security:
    fields = {
        "shard": 0,
        "tick_cents": 1,
        "min_price_cents": 1,
        "max_price_cents": 1_000_000,
        "issued_shares": 100_000,
        "halted": False,
        "last_price_cents": 10_000,
    }
    return Security(security_id, **fields | terms)


def desk(**known: object) -> EntryDesk:
    """ANN has $1,000 and 100 MSFT, BOB has nothing. TICK trades in steps of 5 cents from $1 to $2."""
    fields = {
        "funds": {"ANN": Funds(100_000, open_orders=0), "BOB": Funds(0, open_orders=0)},
        "shares": {("ANN", "MSFT"): Shares(100)},
        "securities": {
            one.security_id: one
            for one in (
                security("MSFT"),
                security("AAPL", shard=1),
                security("TICK", tick_cents=5, min_price_cents=100, max_price_cents=200),
                security("HALT", halted=True),
                security("NEW", last_price_cents=None),
            )
        },
        "orders": {},
        "issued_below": ISSUED_BELOW,
        "limits": Limits(market_order_band=Fraction("0.10"), max_order_quantity=1_000, max_open_orders=3),
        "now_us": NOW_US,
    }
    return EntryDesk(**fields | known)


def order(order_id: int = 1, **terms: object) -> OrderRequest:
    """A buy of 1 MSFT at 100.00 by ANN, but for the terms."""
    fields = {
        "client_id": "ANN",
        "client_order_id": None,
        "security_id": "MSFT",
        "type": "limit",
        "side": "buy",
        "quantity": 1,
        "price_cents": 10_000,
        "time_in_force": "gtc",
        "post_only": False,
        "received_us": 5,
    }
    return OrderRequest(order_id=order_id, **fields | terms)


MARKET = {"type": "market", "price_cents": None}


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"price_cents": None}, "price_missing"),
        ({"type": "market"}, "price_not_allowed"),
        ({"time_in_force": "fok", "post_only": True}, "contradictory_terms"),
        ({"time_in_force": "ioc", "post_only": True}, "contradictory_terms"),
        (MARKET | {"post_only": True}, "contradictory_terms"),
        ({"quantity": 1_001, "price_cents": 1}, "quantity_too_large"),
        ({"security_id": "XXXX"}, "unknown_security"),
        ({"client_id": "NOBODY"}, "unknown_account"),
        ({"client_id": "DTCC"}, "unknown_account"),
        ({"security_id": "HALT"}, "halted"),
        (MARKET | {"security_id": "HALT"}, "halted"),
        ({"security_id": "TICK", "price_cents": 101}, "price_off_tick"),
        ({"security_id": "TICK", "price_cents": 95}, "price_out_of_band"),
        ({"security_id": "TICK", "price_cents": 205}, "price_out_of_band"),
        (MARKET | {"security_id": "NEW"}, "no_reference_price"),
        ({"quantity": 11}, "insufficient_funds"),
        (MARKET | {"quantity": 10}, "insufficient_funds"),  # it may cost 10 x 110.00
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
    assert entry.decide(request) == Denied(request, reason)
    assert entry.funds["ANN"] == Funds(100_000, open_orders=0)
    assert entry.shares == {("ANN", "MSFT"): Shares(100)}


@pytest.mark.parametrize(
    ("terms", "held_cents", "held_shares", "command"),
    [
        ({"quantity": 10}, 100_000, 0, {}),
        ({"security_id": "TICK", "price_cents": 105}, 105, 0, {}),
        ({"security_id": "TICK", "price_cents": 200}, 200, 0, {}),
        ({"security_id": "NEW"}, 10_000, 0, {}),
        ({"time_in_force": "fok"}, 10_000, 0, {"time_in_force": "fok"}),
        ({"post_only": True}, 10_000, 0, {"post_only": True}),
        ({"side": "sell", "quantity": 100}, 0, 100, {}),
        (MARKET | {"quantity": 9}, 99_000, 0, {"price_cents": 11_000, "time_in_force": "ioc"}),
        (MARKET | {"side": "sell"}, 0, 1, {"price_cents": 9_000, "time_in_force": "ioc"}),
    ],
)
def test_admitted(terms: dict[str, object], held_cents: int, held_shares: int, command: dict[str, object]) -> None:
    entry = desk()
    request = order(7, **terms)
    shared = PlaceOrder.__struct_fields__[:-1]
    expected = {field: getattr(request, field) for field in shared} | {"sequenced_us": NOW_US} | command
    assert entry.decide(request) == Admitted(request, PlaceOrder(**expected), shard=0)
    assert entry.funds["ANN"] == Funds(100_000 - held_cents, 0, newly_held_cents=held_cents, newly_open=1)
    assert entry.shares == {("ANN", "MSFT"): Shares(100 - held_shares, newly_held=held_shares)}


def reasons(entry: EntryDesk, *requests: OrderRequest | CancelRequest) -> list[str | None]:
    """Why each of the requests, decided one after the other, was denied; None for those that were not."""
    decisions = [entry.decide(request) for request in requests]
    return [decision.reason if isinstance(decision, Denied) else None for decision in decisions]


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


def test_a_client_order_id_stands_for_one_order() -> None:
    entry = desk(taken={("ANN", "old")})
    requests = [order(1, client_order_id="old"), order(2, client_order_id="new"), order(3, client_order_id="new")]
    assert reasons(entry, *requests) == ["duplicate_client_order_id", None, "duplicate_client_order_id"]


def test_a_denied_order_keeps_its_client_order_id() -> None:
    requests = [order(1, client_order_id="a", quantity=11), order(2, client_order_id="a")]
    assert reasons(desk(), *requests) == ["insufficient_funds", "duplicate_client_order_id"]


def cancel(order_id: int, **terms: object) -> CancelRequest:
    fields = {"command_id": 900, "client_id": "ANN", "security_id": "MSFT", "received_us": 5}
    return CancelRequest(order_id=order_id, **fields | terms)


KNOWN = {
    1: KnownOrder("ANN", "MSFT", is_open=True),
    2: KnownOrder("ANN", "MSFT", is_open=False),
    3: KnownOrder("BOB", "MSFT", is_open=True),
    4: KnownOrder("ANN", "HALT", is_open=True),
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
        (cancel(ISSUED_BELOW - 1), None),  # on its way: the engine lets the cancel wait for it
        (cancel(ISSUED_BELOW), "unknown_order"),
    ],
)
def test_cancels(request_: CancelRequest, reason: str | None) -> None:
    assert reasons(desk(orders=dict(KNOWN)), request_) == [reason]


def test_a_cancel_goes_to_the_shard_of_its_security() -> None:
    request = cancel(5, security_id="AAPL")
    command = CancelOrder(900, "ANN", "AAPL", 5, NOW_US)
    assert desk().decide(request) == Admitted(request, command, shard=1)


def test_a_cancel_knows_the_orders_before_it_in_the_unit() -> None:
    refused = order(11, quantity=11)
    assert reasons(desk(), order(10), cancel(10), refused, cancel(11), cancel(10, client_id="BOB")) == [
        None,
        None,
        "insufficient_funds",
        "unknown_order",
        "unknown_order",
    ]
