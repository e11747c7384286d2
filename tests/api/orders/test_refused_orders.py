"""Orders that the whole exchange refuses without side effects, and tests that need the whole exchange.

One exchange for all of it; each test has clients of its own, and at the end the audit passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
import requests
from websocket import create_connection

from bots.client import Client
from db.connect import Database
from tests.support.databases import renew_clearing_data, renew_market_data
from tests.support.exchange import Exchange, running_exchange

FINAL = {"filled", "cancelled", "rejected"}
_numbers = count(1)


@pytest.fixture(scope="module")
def exchange(_databases: tuple[Database, Database]) -> Iterator[Exchange]:
    """Run an exchange without bots, and check at the end that its books are right."""
    renew_clearing_data(_databases[0])
    renew_market_data(_databases[1])
    with running_exchange(without=["referee"]) as running:
        yield running
        audit = running.audit()
        assert audit.passed, audit
        assert running.dead_letters() == 0


class Trader:
    """A new client with 10,000.00 in cash and 1,000 shares of MSFT."""

    def __init__(self, exchange: Exchange) -> None:
        self.client_id = f"TRADER_{next(_numbers)}"
        self.exchange = exchange
        self.key = Client(exchange.url, exchange.keys["admin"]).open_account(self.client_id).api_key

    def ask(self, method: str, path: str, json: Any = None) -> requests.Response:
        """Send a request of this client."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return requests.request(method, self.exchange.url + path, headers=headers, json=json, timeout=20)

    def place(self, side: str, quantity: int, price: float, **terms: Any) -> int:
        """Place an order that is accepted, and return its id."""
        order = {"type": "limit", "security_id": "MSFT", "side": side, "quantity": quantity, "price": price, **terms}
        answer = self.ask("POST", "/orders", {name: value for name, value in order.items() if value is not ...})
        assert answer.status_code == 202, answer.text
        return int(answer.json()["order_id"])

    def order(self, order_id: int) -> dict[str, Any]:
        """Return the current state of an order."""
        found: dict[str, Any] = self.ask("GET", f"/orders/MSFT/{order_id}").json()
        return found

    def wait_for(self, order_id: int, *statuses: str) -> dict[str, Any]:
        """Wait until the order has one of these statuses, and return it."""
        self.exchange.wait_until(lambda: self.order(order_id)["status"] in statuses, f"it is one of {statuses}")
        return self.order(order_id)

    def denied(self) -> dict[str, Any]:
        """Wait for the report of the one request of this client that order entry denied, and return it."""

        def found() -> list[dict[str, Any]]:
            reports = self.ask("GET", "/reports").json()["data"]
            return [one for one in reports if one["reason"] == "unknown_order"]

        self.exchange.wait_until(lambda: found() != [], "a denial is reported")
        (denial,) = found()
        assert (denial["event_type"], denial["status"]) == ("order", "denied")
        return denial

    def money(self) -> tuple[Decimal, Decimal]:
        """Return the balance and the part of it that is available."""
        balance = Client(self.exchange.url, self.key).balance(self.client_id)
        return balance.balance, balance.available

    def shares(self) -> tuple[int, int]:
        """Return the shares of MSFT and how many of them are available."""
        holding = Client(self.exchange.url, self.key).holding("MSFT", self.client_id)
        return holding.shares, holding.available


@pytest.fixture
def trader(exchange: Exchange) -> Trader:
    return Trader(exchange)


@pytest.fixture
def other(exchange: Exchange) -> Trader:
    return Trader(exchange)


# -- 20: what a client cannot pay ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "quantity", "price", "reason"),
    [
        ("buy", 101, 100, "insufficient_funds"),
        ("buy", 1_000_000, 10_000, "insufficient_funds"),
        ("sell", 1_001, 100, "insufficient_holdings"),
        ("sell", 1_000_000, 0.01, "insufficient_holdings"),
    ],
)
def test_20_one_order_that_the_client_cannot_pay(
    trader: Trader, side: str, quantity: int, price: float, reason: str
) -> None:
    refused = trader.wait_for(trader.place(side, quantity, price), *FINAL)
    assert (refused["status"], refused["reason"], refused["filled_quantity"]) == ("rejected", reason, 0)
    assert trader.money() == (10_000, 10_000)
    assert trader.shares() == (1_000, 1_000)


@pytest.mark.parametrize("at_once", [False, True], ids=["in an array", "at once"])
def test_20_orders_that_are_affordable_but_not_together(trader: Trader, at_once: bool) -> None:
    # Below every sale of these tests, and above every purchase; 4 of 30.00 x 75 and 3 of 300 shares can be held.
    orders = [
        {"type": "limit", "security_id": "MSFT", "side": side, "quantity": quantity, "price": price}
        for side, quantity, price in [("buy", 75, 30), ("sell", 300, 900)] * 10
    ]
    if at_once:
        with ThreadPoolExecutor(20) as crowd:
            answers = list(crowd.map(lambda order: trader.ask("POST", "/orders", order), orders))
        order_ids = [answer.json()["order_id"] for answer in answers]
    else:
        results = trader.ask("POST", "/orders", orders).json()["results"]
        order_ids = [result["order_id"] for result in results]
    found = [trader.wait_for(order_id, "new", *FINAL) for order_id in order_ids]
    assert [order["status"] for order in found].count("new") == 7
    reasons = [order["reason"] for order in found if order["status"] == "rejected"]
    assert (reasons.count("insufficient_funds"), reasons.count("insufficient_holdings")) == (6, 7)
    assert trader.money() == (10_000, 1_000)
    assert trader.shares() == (1_000, 100)
    trader.ask("DELETE", "/orders")
    trader.exchange.wait_until(lambda: trader.money() == (10_000, 10_000), "all holds are free again")
    assert trader.shares() == (1_000, 1_000)


# -- 21: cancels and replaces of what is not there, or not any more ------------------------------------------------


def _change(trader: Trader, kind: str, order_id: int) -> requests.Response:
    if kind == "cancel":
        return trader.ask("DELETE", f"/orders/MSFT/{order_id}")
    return trader.ask("PATCH", f"/orders/MSFT/{order_id}", {"quantity": 3, "price": 31})


@pytest.mark.parametrize("kind", ["cancel", "replace"])
def test_21_requests_for_an_unknown_order(trader: Trader, kind: str) -> None:
    assert _change(trader, kind, 10**14).status_code == 202
    assert trader.denied()["order_id"] == 10**14


@pytest.mark.parametrize("kind", ["cancel", "replace"])
def test_21_requests_for_another_clients_order(trader: Trader, other: Trader, kind: str) -> None:
    order_id = other.place("buy", 5, 30)
    before = other.wait_for(order_id, "new")
    assert _change(trader, kind, order_id).status_code == 202
    assert trader.denied()["order_id"] == order_id
    assert other.order(order_id) == before
    assert other.money() == (10_000, 10_000 - 150)


@pytest.mark.parametrize("kind", ["cancel", "replace"])
def test_21_requests_for_a_filled_order(trader: Trader, other: Trader, kind: str) -> None:
    order_id = trader.place("sell", 5, 50)
    other.place("buy", 5, 50)
    before = trader.wait_for(order_id, "filled")
    assert _change(trader, kind, order_id).status_code == 202
    assert trader.denied()["order_id"] == order_id
    assert trader.order(order_id) == before
    assert trader.shares() == (995, 995)


def test_21_cancelling_twice(trader: Trader) -> None:
    order_id = trader.place("buy", 10, 30)
    trader.wait_for(order_id, "new")
    for _ in range(2):
        assert _change(trader, "replace", order_id).status_code == 202
    trader.exchange.wait_until(lambda: trader.money() == (10_000, 10_000 - 93), "3 at 31.00 are held")
    replaced = trader.order(order_id)
    assert (replaced["quantity"], replaced["price"], replaced["status"]) == (3, 31, "new")
    for _ in range(2):
        assert _change(trader, "cancel", order_id).status_code == 202
    cancelled = trader.wait_for(order_id, "cancelled")
    assert (cancelled["quantity"], cancelled["filled_quantity"], cancelled["reason"]) == (3, 0, "cancelled")
    assert trader.money() == (10_000, 10_000)


@pytest.mark.parametrize("kind", ["cancel", "replace"])
def test_21_cancels_during_fills(trader: Trader, other: Trader, kind: str) -> None:
    order_ids = [trader.place("sell", 10, 60) for _ in range(10)]
    with ThreadPoolExecutor(4) as crowd:
        takes = [crowd.submit(other.place, "buy", 5, 60, time_in_force="ioc") for _ in range(14)]
        changes = [crowd.submit(_change, trader, kind, order_id) for order_id in order_ids]
    assert {change.result().status_code for change in changes} == {202}
    taken = [other.wait_for(take.result(), *FINAL) for take in takes]
    trader.ask("DELETE", "/orders")
    sold = [trader.wait_for(order_id, *FINAL) for order_id in order_ids]
    bought = sum(order["filled_quantity"] for order in taken)
    assert sum(order["filled_quantity"] for order in sold) == bought
    for order in sold:
        assert order["filled_quantity"] == order["quantity"] or order["status"] == "cancelled"
        assert order["filled_quantity"] <= 10
    trader.exchange.wait_until(lambda: trader.shares() == (1_000 - bought, 1_000 - bought), "nothing is held")
    assert other.shares() == (1_000 + bought, 1_000 + bought)


# -- what only the whole exchange can show -------------------------------------------------------------------------


def test_a_halt_is_answered_once_it_is_in_the_log(exchange: Exchange, trader: Trader) -> None:
    admin = {"Authorization": f"Bearer {exchange.keys['admin']}"}
    for halted, status in ((True, "rejected"), (False, "new")):
        answer = requests.patch(f"{exchange.url}/securities/TSLA", headers=admin, json={"halted": halted}, timeout=20)
        assert (answer.status_code, answer.json()["halted"]) == (200, halted)
        listed = requests.get(f"{exchange.url}/securities", timeout=20).json()["data"]
        assert {one["security_id"]: one["halted"] for one in listed}["TSLA"] == halted
        order_id = trader.place("buy", 1, 30, security_id="TSLA")

        def status_of(order_id: int = order_id) -> str:
            return str(trader.ask("GET", f"/orders/TSLA/{order_id}").json()["status"])

        exchange.wait_until(lambda status=status: status_of() == status, f"it is {status}")


def test_a_stop_order_shows_its_terms_and_its_outcome(trader: Trader, other: Trader) -> None:
    # Below all trades and above all orders of the other tests.
    order_id = trader.place("sell", 5, ..., type="stop", stop_price=40)
    waiting = trader.wait_for(order_id, "new")
    assert (waiting["type"], waiting["price"], waiting["stop_price"]) == ("stop", None, 40)
    iceberg = other.place("buy", 10, 39, display_quantity=2)
    shown = other.wait_for(iceberg, "new")
    assert shown["display_quantity"] == 2
    third = Trader(trader.exchange)
    third.place("sell", 1, 39)  # trades through the stop price
    assert trader.wait_for(order_id, *FINAL)["filled_quantity"] == 5
    assert other.wait_for(iceberg, "partially_filled")["filled_quantity"] >= 1
    other.ask("DELETE", "/orders")
    other.wait_for(iceberg, "cancelled")


def test_orders_are_cancelled_with_the_connection_that_asked_for_it(exchange: Exchange, trader: Trader) -> None:
    address = f"{exchange.url.replace('http', 'ws')}/stream/report?api_key={trader.key}&cancel_on_disconnect=true"
    connection = create_connection(address, timeout=10)
    order_ids = [trader.place("buy", 1, 30, security_id=security_id) for security_id in ("MSFT", "MSFT")]
    for order_id in order_ids:
        trader.wait_for(order_id, "new")
    connection.shutdown()
    for order_id in order_ids:
        assert trader.wait_for(order_id, "cancelled")["reason"] == "cancelled"
