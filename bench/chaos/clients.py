"""The ten clients of a chaos run: they send seeded orders, alone and in arrays, and react to bad answers.

They also cancel and replace their orders, a few or all of them, and the admin halts securities. After a 503 or a lost
connection, half of the time they send the order again under the same client order id; otherwise they leave it, which
tests the exchange's answer about it. Some orders have no client order id.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests

from bench.chaos.record import Attempt, Record, SentOrder

NAMES = tuple(f"CHAOS_{number}" for number in range(10))
SECURITIES = ("MSFT", "AAPL", "TSLA", "JPM", "SHEL")
REFERENCE_CENTS = 10_000

LARGEST_ARRAY = 20
# The longest pause between the requests of a client: ten clients send a few hundred orders a second, which leaves a
# small machine time to recover [s].
_LONGEST_PAUSE_S = 0.3
_AFTER_A_FAILURE_S = 0.5
# Longer than the exchange may take to answer.
ANSWER_TIMEOUT_S = 15.0
_MOST_ATTEMPTS = 40
_MOST_REMEMBERED = 200
# The share of replacements among changes of orders, and of mass cancels among the turns of a client.
_REPLACES = 0.5
_MASS_CANCELS = 0.02


class Line:
    """A connection to the api for one request after another; reopened after a fault."""

    def __init__(self, url: str, key: str) -> None:
        self._address = urlsplit(url)
        self._head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None

    def ask(
        self, method: str, path: str, content: Any = None, *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> tuple[int, dict[str, Any]]:
        """Send a request; return status and answer, with status 0 if no answer came in time."""
        body = json.dumps(content).encode() if content is not None else None
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    str(self._address.hostname), self._address.port, timeout=timeout_s
                )
            self._connection.request(method, path, body, self._head)
            with self._connection.getresponse() as answer:
                read = answer.read()
            return answer.status, json.loads(read)
        except (OSError, http.client.HTTPException, ValueError) as fault:
            self.close()
            return 0, {"code": type(fault).__name__}

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class Trader(threading.Thread):
    """One client with a connection of its own; `ended` stops it."""

    longest_pause_s = _LONGEST_PAUSE_S

    def __init__(self, url: str, client_id: str, key: str, *, seed: int, record: Record, started_s: float) -> None:
        super().__init__(name=client_id, daemon=True)
        self._client_id = client_id
        self._line = Line(url, key)
        self._rng = random.Random(f"clients:{seed}:{client_id}")
        self._record = record
        self._started_s = started_s
        self._number = 0
        self._open: list[tuple[str, int]] = []
        self.ended = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Trade."""
        try:
            while not self.ended.is_set():
                self._trade()
                self.ended.wait(self._rng.uniform(0, self.longest_pause_s))
        except BaseException as failure:
            self.failure = failure
            raise

    def _trade(self) -> None:
        if self._rng.random() < _MASS_CANCELS:
            self._line.ask("DELETE", f"/orders?security_id={self._rng.choice(SECURITIES)}")
        named = self._rng.random() < 0.85
        count = 1 if self._rng.random() < 0.4 else self._rng.randint(2, LARGEST_ARRAY)
        orders = [self._order(named=named) for _ in range(count)]
        self._record.add(orders)
        self._send(orders)
        if not named:
            return
        persists = self._rng.random() < 0.5
        for _ in range(_MOST_ATTEMPTS):
            again = [one for one in orders if not one.is_accepted and "refused" not in one.outcomes]
            if not again or not persists or self.ended.wait(_AFTER_A_FAILURE_S):
                break
            self._send(again)

    def _order(self, *, named: bool) -> SentOrder:
        rng = self._rng
        self._number += 1
        name = f"{self._client_id.lower()}-{self._number}" if named else None
        terms: dict[str, Any] = {
            "type": "limit",
            "security_id": self._security(),
            "side": self._side(),
            # Occasionally more than the client can pay for.
            "quantity": rng.randint(1, 400 if rng.random() < 0.02 else 10),
        }
        kind = rng.choices(("plain", "market", "stop", "stop_limit", "iceberg", "post_only"), (78, 5, 4, 4, 5, 4))[0]
        if kind in ("market", "stop", "stop_limit"):
            terms["type"] = kind
        if kind in ("stop", "stop_limit"):
            terms["stop_price"] = self._price()
        if kind not in ("market", "stop"):
            terms["price"] = self._price()
        if kind == "plain":
            terms["time_in_force"] = rng.choices(("gtc", "ioc", "fok"), (8, 1, 1))[0]
        if kind == "iceberg":
            terms["quantity"] = rng.randint(10, 30)
            terms["display_quantity"] = rng.randint(1, 5)
        if kind == "post_only":
            terms["post_only"] = True
        if name is not None:
            terms["client_order_id"] = name
        return SentOrder(self._client_id, name, terms)

    def _security(self) -> str:
        return self._rng.choice(SECURITIES)

    def _side(self) -> str:
        return self._rng.choice(("buy", "sell"))

    def _send(self, orders: Sequence[SentOrder]) -> None:
        """Send orders in one request, with changes of earlier ones."""
        changes = [self._change() for _ in range(len(orders) // 4) if self._open]
        content: Any = [order.terms for order in orders] + changes
        alone = len(content) == 1 and self._rng.random() < 0.5
        self._post(self._line, orders, content[0] if alone else content)

    def _post(
        self, line: Line, orders: Sequence[SentOrder], content: Any, *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        """Post orders, which come first in the content, and record the answer to each."""
        sent_s = time.monotonic()
        status, answer = line.ask("POST", "/orders", content, timeout_s=timeout_s)
        took_s = time.monotonic() - sent_s
        results = answer.get("results")
        if status != 202 or not isinstance(results, list):
            results = [answer] * len(orders)
        for order, result in zip(orders, results, strict=False):
            # In an array, a refused element has a status of its own.
            said = int(result.get("status", status)) if isinstance(result.get("status"), int) else status
            attempt = Attempt(
                round(sent_s - self._started_s, 3),
                round(took_s, 3),
                said,
                str(result.get("code", "")),
                result.get("order_id") if said in (200, 202) else None,
            )
            order.attempts.append(attempt)
            self._record.count(attempt)
            if attempt.order_id is not None:
                self._open.append((order.terms["security_id"], attempt.order_id))
                del self._open[:-_MOST_REMEMBERED]

    def _price(self) -> float:
        return (REFERENCE_CENTS + self._rng.randint(-30, 30)) / 100

    def _change(self) -> dict[str, Any]:
        """Return a cancel or a replacement of an order that may be open; the audit sees what became of it."""
        security_id, order_id = self._open.pop(self._rng.randrange(len(self._open)))
        change: dict[str, Any] = {"type": "cancel", "security_id": security_id, "order_id": order_id}
        if self._rng.random() < _REPLACES:
            change["type"] = "replace"
            of = self._rng.choice((("quantity",), ("price",), ("quantity", "price")))
            if "quantity" in of:
                change["quantity"] = self._rng.randint(1, 15)
            if "price" in of:
                change["price"] = self._price()
            self._open.append((security_id, order_id))
        return change


class Regulator(threading.Thread):
    """Occasionally halts a security and resumes it; after `ended`, it resumes all of them."""

    def __init__(self, url: str, admin_key: str, securities: Sequence[str], *, seed: int) -> None:
        super().__init__(name="regulator", daemon=True)
        self._url = url
        self._head = {"Authorization": f"Bearer {admin_key}"}
        self._securities = securities
        self._rng = random.Random(f"regulator:{seed}")
        self.ended = threading.Event()

    def run(self) -> None:
        """Regulate."""
        while not self.ended.wait(self._rng.uniform(3, 10)):
            security_id = self._rng.choice(self._securities)
            self._set_halted(security_id, halted=True)
            self.ended.wait(self._rng.uniform(0.5, 2))
            self._resume(security_id)
        for security_id in self._securities:  # including halts with an unknown outcome
            self._resume(security_id)

    def _resume(self, security_id: str) -> None:
        for _ in range(_MOST_ATTEMPTS):
            if self._set_halted(security_id, halted=False):
                return
            time.sleep(_AFTER_A_FAILURE_S)

    def _set_halted(self, security_id: str, *, halted: bool) -> bool:
        """Return whether the exchange accepted the change."""
        address = f"{self._url}/securities/{security_id}"
        try:
            return requests.patch(address, json={"halted": halted}, headers=self._head, timeout=ANSWER_TIMEOUT_S).ok
        except requests.RequestException:
            return False
