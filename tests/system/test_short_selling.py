"""Selling short on real services: a position is opened and covered; one that the price runs away from is bought in."""

from __future__ import annotations

from decimal import Decimal

from bots.client import Client
from bots.contract import LimitOrder
from db.connect import Database
from tests.support.exchange import Exchange, running_exchange

SECURITY = "TSLA"


def trader(exchange: Exchange, client_id: str, *, short_limit: int = 0, shares: int = 0) -> Client:
    admin = Client(exchange.url, exchange.keys["admin"])
    client = Client(exchange.url, admin.open_account(client_id).api_key)
    if short_limit:
        admin.ask("PATCH", f"/accounts/{client_id}", dict, content={"limits": {"short_limit": short_limit}})
    if shares:
        admin.deposit_shares(client_id, SECURITY, shares, transfer_id=f"shares:{client_id}")
    return client


def order(side: str, quantity: int, price: int) -> LimitOrder:
    return LimitOrder(security_id=SECURITY, side=side, quantity=quantity, price=Decimal(price))  # type: ignore[arg-type]


def account(client: Client, client_id: str) -> dict[str, object]:
    return client.ask("GET", f"/accounts/{client_id}", dict)


def test_a_short_position_is_opened_covered_and_bought_in(clearing_data: Database, market_data: Database) -> None:
    workers = {"ORDER_ENTRY_WORKERS": "2", "ORDER_EXECUTION_WORKERS": "2"}
    with running_exchange(workers) as exchange:
        seller, buyer = trader(exchange, "SHORT", short_limit=500), trader(exchange, "LONG", shares=500)
        open_and_cover(exchange, seller, buyer)
        run_away(exchange, seller, buyer)
        audit = exchange.audit()
        assert audit.passed, audit
        assert exchange.dead_letters() == 0


def open_and_cover(exchange: Exchange, seller: Client, buyer: Client) -> None:
    """Sell 10 shares short at 100.00 and buy them back at 90.00."""
    seller.place(order("sell", 10, 100))
    buyer.place(order("buy", 10, 100))
    exchange.wait_until(lambda: account(seller, "SHORT")["borrowed"] == {SECURITY: 10}, "10 shares are borrowed")
    has = account(seller, "SHORT")
    assert (has["collateral"], has["balance"], has["held"], has["equity"]) == (1_500, 11_000, 0, 110_000)
    buyer.place(order("sell", 10, 90))
    seller.place(order("buy", 10, 90))
    exchange.wait_until(lambda: account(seller, "SHORT")["borrowed"] == {}, "the shares are returned")
    has = account(seller, "SHORT")
    assert (has["collateral"], has["balance"], has["available"]) == (0, 10_100, 10_100)


def run_away(exchange: Exchange, seller: Client, buyer: Client) -> None:
    """Sell 190 shares short at 100.00, and have the last price rise until the clearinghouse buys them in."""
    admin = Client(exchange.url, exchange.keys["admin"])
    admin.deposit_cash("LONG", Decimal(100_000), transfer_id="more")
    resting = seller.place(LimitOrder(security_id="MSFT", side="sell", quantity=1, price=Decimal(900)))
    seller.place(order("sell", 190, 100))
    buyer.place(order("buy", 190, 100))
    exchange.wait_until(lambda: account(seller, "SHORT")["borrowed"] == {SECURITY: 190}, "190 shares are borrowed")
    (margin,) = admin.ask("GET", "/clearing/margin", dict)["data"]
    assert (margin["client_id"], margin["shares_owed"], margin["collateral"]) == ("SHORT", 190, 28_500)
    assert (margin["requirement"], margin["excess"]) == (23_750, 29_100 - 23_750)
    other = trader(exchange, "OTHER")
    buyer.place(order("sell", 1, 130))
    other.place(order("buy", 1, 130))
    buyer.place(order("sell", 250, 130))
    exchange.wait_until(lambda: account(seller, "SHORT")["borrowed"] == {}, "the client is bought in", timeout_s=20)
    assert account(seller, "SHORT")["balance"] == 29_100 - 190 * 130
    cancelled = seller.order("MSFT", resting.order_id)
    assert (cancelled.status, cancelled.reason) == ("cancelled", "buy_in")
    placed = [one for one in seller.ask("GET", "/orders", dict, query={"client_id": "SHORT"})["data"] if one["buy_in"]]
    assert sum(one["filled_quantity"] for one in placed) == 190
    reported = seller.ask("GET", "/reports", dict, query={"client_id": "SHORT", "limit": 1_000})["data"]
    marked = {(one["event_type"], one["status"], one["order_id"]) for one in reported if one["reason"] == "buy_in"}
    assert {("order", "confirmed", one["order_id"]) for one in placed} <= marked
    assert resting.order_id in {order_id for _, _, order_id in marked}
