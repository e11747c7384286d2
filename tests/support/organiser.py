"""A competition on a running exchange: its organiser, and what its teams ask."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import requests

from bots.client import Client
from bots.contract import LimitOrder, Order
from bots.errors import Problem
from tests.support.exchange import Exchange


class Organiser:
    """The organiser of a competition, with the admin's key."""

    def __init__(self, exchange: Exchange, case: dict[str, Any]) -> None:
        self.exchange = exchange
        self.competition_id = self.ask("POST", "/competitions", json=case, status=201)["competition_id"]
        self.path = f"/competitions/{self.competition_id}"

    def ask(self, method: str, path: str, *, status: int = 200, **more: Any) -> Any:
        """Ask with the admin's key, and check the status of the answer."""
        headers = {"Authorization": f"Bearer {self.exchange.keys['admin']}"}
        answer = requests.request(method, self.exchange.url + path, headers=headers, timeout=20, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    def state(self) -> dict[str, Any]:
        """Return the competition as everyone sees it."""
        found: dict[str, Any] = requests.get(self.exchange.url + self.path, timeout=20).json()
        return found

    def wait_for(self, what: str, **wanted: Any) -> dict[str, Any]:
        """Wait until the competition is in this state."""

        def is_there() -> bool:
            found = self.state()
            return all(found[name] == value for name, value in wanted.items())

        self.exchange.wait_until(is_there, what, timeout_s=60)
        return self.state()

    def standings(self) -> list[dict[str, Any]]:
        """Return the standings."""
        rows: list[dict[str, Any]] = requests.get(f"{self.exchange.url}{self.path}/standings", timeout=20).json()[
            "data"
        ]
        return rows


def join(link: str, team: str) -> requests.Response:
    return requests.post(link, json={"team": team}, timeout=20)


def limit(security_id: str, side: Any, price: str, quantity: int = 10) -> Order:
    return LimitOrder(security_id=security_id, side=side, quantity=quantity, price=Decimal(price))


def denial(client: Client, order: Order) -> str | None:
    """Return why an order is not admitted: by the api at once, or by order entry in its report."""
    try:
        order_id = client.place(order).order_id
    except Problem as problem:
        return problem.code
    assert order_id is not None
    Exchange.wait_until(lambda: client.order(order.security_id, order_id).status != "pending", "decided")
    return client.order(order.security_id, order_id).reason


def phases(exchange: Exchange) -> dict[str, str]:
    return {
        one["security_id"]: one["phase"]
        for one in requests.get(f"{exchange.url}/securities", timeout=20).json()["data"]
    }
