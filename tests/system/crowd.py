"""A hundred clients that trade at once over two api processes, each with a seeded stream of orders.

They send a quarter of their orders to both processes at once under the same client order ids, and cancel a fifth of
their orders at once, while these are being filled. A sixth of the orders costs more than they can pay.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import requests

from db.clearing_data import initial_data
from db.clearing_data.clients.keys import make_key
from db.connect import Database

SECURITIES = ("MSFT", "AAPL", "TSLA", "JPM", "SHEL")
OPENING_SHARES = dict.fromkeys(SECURITIES, 100)
LARGEST_ARRAY = 30
PATIENCE_S = 300.0


@dataclass
class Answers:
    """The answers that the clients received."""

    order_ids: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))  # by client and name
    first: dict[tuple[str, str], int] = field(
        default_factory=lambda: defaultdict(int)
    )  # answers that are not duplicates
    cancels: int = 0
    lock: Lock = field(default_factory=Lock)

    @property
    def accepted(self) -> dict[int, str]:
        """Return the client of each accepted order."""
        return {order_id: client_id for (client_id, _), ids in self.order_ids.items() for order_id in ids}

    def record(self, client_id: str, orders: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> None:
        """Record the answers to orders of a client."""
        with self.lock:
            for order, result in zip(orders, results, strict=True):
                assert result["status"] == "success", result
                assert result["client_order_id"] == order["client_order_id"]
                name = client_id, str(order["client_order_id"])
                self.order_ids[name].add(result["order_id"])
                self.first[name] += not result.get("duplicate", False)


def open_accounts(clearing_data: Database, clients: int) -> dict[str, str]:
    """Open this many accounts, and make a key for each."""
    now_us = time.time_ns() // 1_000
    names = [f"CROWD_{number}" for number in range(clients)]
    with clearing_data.transaction() as tx:
        for name in names:
            assert initial_data.open_trader(tx, name, now_us=now_us, shares=OPENING_SHARES)
        return {name: make_key(tx, name, role="client", now_us=now_us) for name in names}


def trade(urls: Sequence[str], keys: Mapping[str, str], *, seed: int, orders_each: int) -> Answers:
    """Let all clients trade at once, and return when every request is answered."""
    answers = Answers()
    with ThreadPoolExecutor(len(keys)) as crowd, ThreadPoolExecutor(len(keys)) as doubles:
        for client in [
            crowd.submit(_Client(client_id, key, urls, doubles, answers, seed).trade, orders_each)
            for client_id, key in keys.items()
        ]:
            client.result()
    return answers


class _Client:
    def __init__(
        self,
        client_id: str,
        key: str,
        urls: Sequence[str],
        doubles: ThreadPoolExecutor,
        answers: Answers,
        seed: int,
    ) -> None:
        self._client_id = client_id
        self._urls = urls
        self._doubles = doubles
        self._answers = answers
        self._rng = random.Random(f"{seed}:{client_id}")
        self._sessions = {url: requests.Session() for url in urls}
        for session in self._sessions.values():
            session.headers["Authorization"] = f"Bearer {key}"

    def trade(self, orders: int) -> None:
        """Send this many orders, alone and in arrays."""
        rng = self._rng
        sent = 0
        while sent < orders:
            size = 1 if rng.random() < 0.4 else min(rng.randint(2, LARGEST_ARRAY), orders - sent)
            batch = [self._order(sent + number) for number in range(size)]
            sent += size
            here, there = rng.sample(self._urls, 2)
            double = self._doubles.submit(self._place, there, batch) if rng.random() < 0.25 else None
            results = self._place(here, batch)
            cancelled = [
                {"type": "cancel", "security_id": order["security_id"], "order_id": result["order_id"]}
                for order, result in zip(batch, results, strict=True)
                if rng.random() < 0.2
            ]
            if double is not None:
                double.result()
            if cancelled:
                self._post(rng.choice(self._urls), cancelled)
                with self._answers.lock:
                    self._answers.cancels += len(cancelled)

    def _order(self, number: int) -> dict[str, Any]:
        rng = self._rng
        return {
            "type": "limit",
            "security_id": rng.choice(SECURITIES),
            "side": rng.choice(("buy", "sell")),
            "quantity": rng.randint(200, 2_000) if rng.random() < 1 / 6 else rng.randint(1, 10),
            "price": (10_000 + rng.randint(-30, 30)) / 100,
            "time_in_force": rng.choices(("gtc", "ioc", "fok"), (8, 1, 1))[0],
            "client_order_id": f"{number}",
        }

    def _place(self, url: str, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        answer = self._post(url, batch if len(batch) > 1 else batch[0])
        results: list[dict[str, Any]] = answer["results"] if len(batch) > 1 else [answer]
        self._answers.record(self._client_id, batch, results)
        return results

    def _post(self, url: str, body: Any) -> dict[str, Any]:
        """Post until the api accepts: a busy api answers 503, and the same ids may be sent again."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self._sessions[url].post(f"{url}/orders", json=body, timeout=20)
            if answer.status_code in (200, 202):
                taken: dict[str, Any] = answer.json()
                return taken
            assert answer.status_code == 503, answer.text
            assert time.monotonic() < deadline, answer.text
            time.sleep(float(answer.headers["Retry-After"]))
