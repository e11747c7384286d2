"""A competition on a running exchange, from the invitation to the standings, with its referee killed in mid-round."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import requests

from bots.client import Client
from bots.contract import LimitOrder, Order
from bots.errors import Problem
from tests.support.exchange import Exchange

CASE: dict[str, Any] = {
    "name": "Two short rounds",
    "rounds": 2,
    "round_seconds": 5,
    "break_seconds": 1,
    "auction_seconds": 1,
    "securities": [{"security_id": "ACME", "reference_price": 50.00, "band": 0.10}],
    "endowment": {"cash": 10000.00, "shares": {"ACME": 100}},
    "limits": {"max_order_quantity": 500},
    "house": [{"strategy": "zero_intelligence", "options": {"every_s": 0.3}}],
    "news": [{"at": 1, "headline": "ACME wins an order", "security_id": "ACME", "change": 0.05}],
    "scoring": "root",
    "final": "value",
    "max_teams": 3,
}


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


def test_two_rounds_with_a_referee_that_is_killed(exchange: Exchange) -> None:
    organiser = Organiser(exchange, CASE)
    links = organiser.ask("POST", f"{organiser.path}/invites", json={"count": 4}, status=201)["invites"]
    joined = {team: join(link, team).json() for team, link in zip(("Fast", "Slow", "Asleep"), links, strict=False)}
    fast, slow = (Client(exchange.url, joined[team]["api_key"]) for team in ("Fast", "Slow"))
    assert join(links[0], "Late").json()["code"] == "invite_used"
    assert join(links[3], "Late").json()["code"] == "competition_full"
    exchange.wait_until(lambda: "ACME" in phases(exchange), "the security is listed and closed")
    exchange.wait_until(lambda: phases(exchange)["ACME"] == "closed", "the security is listed and closed")
    assert denial(fast, limit("ACME", "buy", "50.00", 1)) == "closed"

    organiser.ask("POST", f"{organiser.path}/start")
    assert join(links[3], "Later").json()["code"] == "registration_closed"
    _play(organiser, fast, slow, "ACME", number=1)
    exchange.kill("referee")
    exchange.wait_until(lambda: exchange.is_back("referee"), "the referee is back")
    organiser.wait_for("the first round is over", state="break")
    assert denial(fast, limit("ACME", "buy", "50.00", 1)) == "settled"
    _play(organiser, fast, slow, "ACME.2", number=2)
    finished = organiser.wait_for("both rounds are over", state="finished")

    assert hashlib.sha256(finished["seed"].encode()).hexdigest() == finished["seed_sha256"]
    _check_standings(organiser, joined)
    news = [item for item in fast.news() if item.headline == "ACME wins an order"]
    assert [item.security_id for item in news] == ["ACME.2", "ACME"]
    assert exchange.audit().passed


def phases(exchange: Exchange) -> dict[str, str]:
    return {
        one["security_id"]: one["phase"]
        for one in requests.get(f"{exchange.url}/securities", timeout=20).json()["data"]
    }


def _play(organiser: Organiser, fast: Client, slow: Client, security_id: str, *, number: int) -> None:
    """Begin a round with exactly the endowment, and let two teams trade in it."""
    exchange = organiser.exchange
    organiser.wait_for("the auction", round=number, phase="auction")
    for client in (fast, slow):
        account = client.account(client.get("/whoami", dict[str, Any])["client_id"])
        assert account.balance == 10_000
        assert {one.security_id: one.shares for one in account.holdings if one.shares} == {security_id: 100}
    exchange.wait_until(lambda: phases(exchange)[security_id] == "continuous", "trading")
    assert denial(fast, limit("MSFT", "buy", "100.00", 1)) == "other_market"
    outsider = Client(exchange.url, exchange.keys["SINGLE"])
    assert denial(outsider, limit(security_id, "buy", "50.00", 1)) == "other_market"
    assert denial(fast, limit(security_id, "buy", "1.00", 501)) == "quantity_too_large"
    slow.place(limit(security_id, "sell", "49.00", 20))
    fast.place(limit(security_id, "buy", "51.00", 20))
    exchange.wait_until(lambda: any(True for _ in fast.fills(security_id)), "a trade")


def _check_standings(organiser: Organiser, joined: dict[str, dict[str, str]]) -> None:
    rows = organiser.standings()
    assert {row["team"]: row["client_id"] for row in rows} == {team: one["client_id"] for team, one in joined.items()}
    by_team = {row["team"]: row for row in rows}
    assert [one["gain"] for one in by_team["Asleep"]["rounds"]] == [0, 0]
    assert by_team["Fast"]["gain"] != 0
    for row in rows:
        assert [one["round"] for one in row["rounds"]] == [1, 2]
        assert Decimal(str(row["points"])) == sum(Decimal(str(one["points"])) for one in row["rounds"])
    assert [row["points"] for row in rows] == sorted((row["points"] for row in rows), reverse=True)
