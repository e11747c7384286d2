"""What makes two requests ask for the same order is listed once, and every comparison uses the list."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from api.orders.intake.promises import digest_of
from tasks.messages import OrderRequest, PlaceOrder
from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.decisions import Admitted
from tasks.order_entry.rules.earlier import is_registered, is_same
from tasks.order_entry.rules.risk import Funds
from tasks.order_entry.rules.rows import OrderRow, RegisteredOrder
from tasks.order_entry.rules.terms import IDENTITY, TERMS, terms_of
from tests.tasks.order_entry.rules.desks import desk

LIMIT = OrderRequest(17, "SINGLE", "my-1", "MSFT", "limit", "buy", 10, 10_012, "gtc", False, 5)
MARKET = structs.replace(LIMIT, type="market", price_cents=None, time_in_force="ioc")
STOP_LIMIT = structs.replace(LIMIT, type="stop_limit", side="sell", price_cents=9_450, stop_price_cents=9_500)
ICEBERG = structs.replace(LIMIT, quantity=100, display_quantity=10)

# The digests of these orders as the first versions of the api stored them.
STORED = {
    LIMIT: "203fc642f1999b349dae98c534738acec4bd4f825e3ca606226f024fe445b30f",
    MARKET: "3731d601266b9b5b876ff66ecf9d485a52c9b81cd06e8c018a2ee567c29b41b3",
    STOP_LIMIT: "3a2d9c33c085b0913bb531d380cfe9939328839e378c7e3db42e049308383457",
    ICEBERG: "c7f891faa379953b694785da3f36fe8bd93e2af284a72b755fdfa82910feb577",
}

# Another value for each term.
OTHER: dict[str, Any] = {
    "security_id": "AAPL",
    "type": "stop_limit",
    "side": "sell",
    "quantity": 11,
    "price_cents": 10_013,
    "time_in_force": "fok",
    "post_only": True,
    "stop_price_cents": 9_999,
    "display_quantity": 5,
    "expires_us": 1_700_000_000_000_000,
}


def names(struct: type) -> set[str]:
    return {field.name for field in structs.fields(struct)}


def test_every_field_of_a_request_is_either_a_term_or_identity() -> None:
    assert sorted([*TERMS, *IDENTITY]) == sorted(names(OrderRequest))
    assert names(PlaceOrder) >= set(TERMS)
    assert names(OrderRow) >= set(TERMS)


@pytest.mark.parametrize(("order", "digest"), STORED.items(), ids=["limit", "market", "stop_limit", "iceberg"])
def test_digests_of_stored_promises_stay_the_same(order: OrderRequest, digest: str) -> None:
    assert digest_of(order).hex() == digest


@pytest.mark.parametrize("field", TERMS)
def test_another_value_of_any_term_makes_another_order(field: str) -> None:
    decided = decide(desk(funds={LIMIT.client_id: Funds(1_000_000, open_orders=0)}), LIMIT)
    assert isinstance(decided, Admitted)
    registered = RegisteredOrder(LIMIT.client_id, terms_of(LIMIT), LIMIT.received_us)
    other = structs.replace(LIMIT, **{field: OTHER[field]})
    assert digest_of(other) != digest_of(LIMIT)
    assert is_same(LIMIT, decided.command)
    assert not is_same(other, decided.command)
    assert is_registered(LIMIT, registered)
    assert not is_registered(other, registered)


@pytest.mark.parametrize(("field", "value"), [("order_id", 18), ("client_order_id", "my-2"), ("received_us", 6)])
def test_another_copy_is_the_same_order(field: str, value: Any) -> None:
    assert digest_of(structs.replace(LIMIT, **{field: value})) == digest_of(LIMIT)
