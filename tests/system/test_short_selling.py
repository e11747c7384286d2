"""Selling short on real services: positions are opened, shown, covered, and bought in, one and two hundred at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

import requests

from bots.client import Client
from bots.contract import LimitOrder
from db.clearing_data.clients import accounts, limits
from db.clearing_data.clients.keys import make_key
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
    with running_exchange(workers, without=["referee"]) as exchange:
        seller, buyer = trader(exchange, "SHORT", short_limit=500), trader(exchange, "LONG", shares=500)
        open_and_cover(exchange, seller, buyer)
        run_away(exchange, seller, buyer)
        flash_rise(exchange, buyer, clearing_data)
        audit = exchange.audit()
        assert audit.passed, audit
        assert exchange.dead_letters() == 0
        logs = "".join(log.read_text(errors="replace") for log in exchange.instance.logs.glob("*.log"))
        assert [event for event in ("tick_failed", "unit_failed", "culprit_found") if f"event={event}" in logs] == []


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
    show(exchange, admin, seller)
    other = trader(exchange, "OTHER")
    buyer.place(order("sell", 1, 130))
    other.place(order("buy", 1, 130))
    is_halted = admin.ask("PATCH", f"/securities/{SECURITY}", dict, content={"halted": True})["phase"] == "halted"
    assert is_halted
    exchange.wait_until(lambda: bought_in(admin) == ["SHORT"], "the buy-in has begun")
    exchange.wait_until(lambda: not list(seller.orders("open")), "the client's orders are cancelled")
    # The purchase waits for the next auction, and takes part in it.
    admin.ask("PATCH", f"/securities/{SECURITY}", dict, content={"phase": "auction"})
    exchange.wait_until(lambda: bool(list(seller.orders("open"))), "the purchase waits in the auction")
    assert account(seller, "SHORT")["borrowed"] == {SECURITY: 190}
    buyer.place(order("sell", 250, 130))
    exchange.wait_until(lambda: bool(list(buyer.orders("open"))), "the offer waits in the auction")
    admin.ask("PATCH", f"/securities/{SECURITY}", dict, content={"phase": "continuous"})
    exchange.wait_until(lambda: account(seller, "SHORT")["borrowed"] == {}, "the client is bought in")
    assert account(seller, "SHORT")["balance"] == 29_100 - 190 * 130
    cancelled = seller.order("MSFT", resting.order_id)
    assert (cancelled.status, cancelled.reason) == ("cancelled", "buy_in")
    placed = [one for one in seller.ask("GET", "/orders", dict, query={"client_id": "SHORT"})["data"] if one["buy_in"]]
    assert [one["filled_quantity"] for one in placed if one["time_in_force"] == "auction"] == [190]
    reported = seller.ask("GET", "/reports", dict, query={"client_id": "SHORT", "limit": 1_000})["data"]
    marked = {(one["event_type"], one["status"], one["order_id"]) for one in reported if one["reason"] == "buy_in"}
    assert {("order", "confirmed", one["order_id"]) for one in placed} <= marked
    assert resting.order_id in {order_id for _, _, order_id in marked}
    exchange.wait_until(lambda: bought_in(admin) == [], "the buy-in is over")
    buyer.cancel_all()


def bought_in(admin: Client) -> list[str]:
    rows = admin.ask("GET", "/clearing/margin", dict)["data"]
    return [row["client_id"] for row in rows if row["buy_in_since"]]


def show(exchange: Exchange, admin: Client, seller: Client) -> None:
    """Check what clients and operators see of the owed shares: 190 at a last price of 100.00."""
    holding = seller.ask("GET", f"/holdings/{SECURITY}/SHORT", dict)
    assert (holding["shares"], holding["borrowed"], holding["available"]) == (0, 190, 0)
    has = account(seller, "SHORT")
    worth = sum(one["shares"] for one in has["holdings"]) * 100  # type: ignore[attr-defined]
    assert has["equity"] == has["balance"] - 190 * 100 + worth  # type: ignore[operator]
    exchange.wait_until(
        lambda: {one.client_id: one.equity for one in admin.leaderboard()}.get("SHORT") == has["equity"],
        "the leaderboard shows the equity",
    )
    statement = seller.ask("GET", "/accounts/SHORT/statement", dict)
    lent = [(one["kind"], one["shares"]) for one in statement["postings"] if one["kind"] in ("loan", "return")]
    assert lent == [("loan", 10), ("return", -10), ("loan", 190)]
    metrics = requests.get(f"{exchange.url}/metrics", headers={"Authorization": f"Bearer {admin.key}"}, timeout=10).text
    assert f'exchange_shares_borrowed{{security_id="{SECURITY}"}} 190.0' in metrics
    described = requests.get(f"{exchange.url}/openapi.json", timeout=10).json()
    assert {"/clearing/margin", "/accounts/{client_id}"} <= described["paths"].keys()
    margin = described["components"]["schemas"]["Margin"]["properties"]
    assert {"shares_owed", "collateral", "requirement", "excess", "buy_in_since"} <= margin.keys()


SHORT_CLIENTS = 200
SHORT_EACH = 10


def flash_rise(exchange: Exchange, buyer: Client, clearing_data: Database) -> None:
    """Have 200 clients owe shares, and let the price jump by 60 % while others trade; all are covered."""
    names = [f"FLASH{number}" for number in range(SHORT_CLIENTS)]
    keys = open_short_sellers(clearing_data, names)
    admin = Client(exchange.url, exchange.keys["admin"])
    admin.deposit_cash("EXCHANGE", Decimal(1_000_000), transfer_id="fund")
    admin.deposit_cash("LONG", Decimal(1_000_000), transfer_id="flash")
    clients = [Client(exchange.url, keys[name]) for name in names]
    for client in clients:
        client.place_all([order("sell", SHORT_EACH, 130), order("buy", 1, 20)])
    owed = SHORT_CLIENTS * SHORT_EACH
    buyer.place(order("buy", owed, 130))
    exchange.wait_until(lambda: shares_owed(admin) == owed, "all of them owe shares")
    with busy(exchange):
        other = trader(exchange, "JUMP")
        admin.deposit_cash("JUMP", Decimal(1_000), transfer_id="jump")
        buyer.place(order("sell", 1, 208))
        other.place(order("buy", 1, 208))
        exchange.wait_until(lambda: len(bought_in(admin)) == SHORT_CLIENTS, "all of them are being bought in")
        buyer.place(order("sell", owed + 100, 208))
        exchange.wait_until(lambda: shares_owed(admin) == 0, "all of them are bought in")
    exchange.wait_until(lambda: bought_in(admin) == [], "the buy-ins are over")
    paid = SHORT_CLIENTS * SHORT_EACH * 208 - SHORT_CLIENTS * (SHORT_EACH * 130 + 700)
    assert Client(exchange.url, exchange.keys["admin"]).ask("GET", "/balance/EXCHANGE", dict)["balance"] == (
        1_000_000 - paid
    )


def open_short_sellers(clearing_data: Database, names: Sequence[str]) -> dict[str, str]:
    now_us = time.time_ns() // 1_000
    with clearing_data.transaction() as tx:
        for name in names:
            assert accounts.open_account(tx, name, now_us=now_us)
            accounts.deposit_cash(tx, name, f"cash:{name}", amount_cents=70_000, now_us=now_us)
            limits.change(tx, name, {"short_limit": SHORT_EACH})
        return {name: make_key(tx, name, role="client", now_us=now_us) for name in names}


@contextmanager
def busy(exchange: Exchange) -> Iterator[None]:
    """Have two clients trade another security with each other inside the block."""
    ended = threading.Event()
    sides = {name: trader(exchange, name) for name in ("BUSY1", "BUSY2")}
    admin = Client(exchange.url, exchange.keys["admin"])
    for name in sides:
        admin.deposit_cash(name, Decimal(1_000_000), transfer_id=f"cash:{name}")
        admin.deposit_shares(name, "MSFT", 10_000, transfer_id=f"msft:{name}")

    def trade(client: Client) -> None:
        while not ended.wait(0.05):
            client.place_all([msft(side) for side in ("buy", "sell") for _ in range(10)])

    threads = [threading.Thread(target=trade, args=(client,)) for client in sides.values()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def msft(side: str) -> LimitOrder:
    return LimitOrder(security_id="MSFT", side=side, quantity=1, price=Decimal(100))  # type: ignore[arg-type]


def shares_owed(admin: Client) -> int:
    return sum(int(row["shares_owed"]) for row in admin.ask("GET", "/clearing/margin", dict)["data"])
