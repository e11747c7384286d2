"""Selling short on real services: a position is opened and covered; one that the price runs away from is bought in."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from bots.client import Client
from bots.contract import LimitOrder
from tests.support.exchange import Exchange, running_exchange

SECURITY = "TSLA"


@pytest.fixture(scope="module")
def exchange(_databases: object) -> Iterator[Exchange]:
    with running_exchange({"ORDER_ENTRY_WORKERS": "2", "ORDER_EXECUTION_WORKERS": "2"}) as running:
        yield running


def trader(exchange: Exchange, client_id: str, *, short_limit: int = 0, shares: int = 0) -> Client:
    admin = Client(exchange.url, exchange.keys["admin"])
    client = Client(exchange.url, admin.open_account(client_id).api_key)
    if short_limit:
        admin.ask("PATCH", f"/accounts/{client_id}", dict, content={"limits": {"short_limit": short_limit}})
    if shares:
        admin.deposit_shares(client_id, SECURITY, shares, transfer_id=f"{client_id} shares")
    return client


def order(side: str, quantity: int, price: int) -> LimitOrder:
    return LimitOrder(security_id=SECURITY, side=side, quantity=quantity, price=Decimal(price))  # type: ignore[arg-type]


def account(client: Client, client_id: str) -> dict[str, object]:
    return client.ask("GET", f"/accounts/{client_id}", dict)


def test_a_short_position_is_opened_and_covered(exchange: Exchange) -> None:
    seller, buyer = trader(exchange, "SHORT", short_limit=100), trader(exchange, "LONG")
    seller.place(order("sell", 10, 100))
    buyer.place(order("buy", 10, 100))
    exchange.wait_until(lambda: account(seller, "SHORT")["borrowed"] == {SECURITY: 10}, "10 shares are borrowed")
    has = account(seller, "SHORT")
    assert (has["collateral"], has["balance"], has["held"], has["equity"]) == (1_500, 11_000, 0, 10_000)
    buyer.place(order("sell", 10, 90))
    seller.place(order("buy", 10, 90))
    exchange.wait_until(lambda: account(seller, "SHORT")["borrowed"] == {}, "the shares are returned")
    has = account(seller, "SHORT")
    assert (has["collateral"], has["balance"], has["available"]) == (0, 10_100, 10_100)
    audit = exchange.audit()
    assert audit.passed, audit
