"""The ten clients of a chaos run: seeded orders, sent alone and in arrays, and what each does about a bad answer.

Half of them take a 503 or a lost connection as an invitation to send the same again under the same client order id;
the others leave it, so that the exchange's word about it is put to the test. Some orders bear no client order id.
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

from bench.chaos.record import Attempt, Record, Sent

NAMES = tuple(f"CHAOS_{number}" for number in range(10))
SECURITIES = ("MSFT", "AAPL", "TSLA", "JPM", "SHEL")
REFERENCE_CENTS = 10_000

LARGEST_ARRAY = 20
# A pause between the requests of a client: ten of them send a few hundred orders a second, which leaves a small
# machine time to recover [s].
_LONGEST_PAUSE_S = 0.3
_AFTER_A_FAILURE_S = 0.5
# Longer than the exchange may take to answer.
ANSWER_TIMEOUT_S = 15.0
_MOST_ATTEMPTS = 40


class Trader(threading.Thread):
    """One client, over a connection of its own, until it is told to end."""

    def __init__(self, url: str, client_id: str, key: str, *, seed: int, record: Record, started_s: float) -> None:
        super().__init__(name=client_id, daemon=True)
        self._address = urlsplit(url)
        self._client_id = client_id
        self._head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._rng = random.Random(f"clients:{seed}:{client_id}")
        self._record = record
        self._started_s = started_s
        self._number = 0
        self._cancellable: list[tuple[str, int]] = []
        self._connection: http.client.HTTPConnection | None = None
        self.ended = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Trade."""
        try:
            while not self.ended.is_set():
                self._trade()
                self.ended.wait(self._rng.uniform(0, _LONGEST_PAUSE_S))
        except BaseException as failure:
            self.failure = failure
            raise

    def _trade(self) -> None:
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

    def _order(self, *, named: bool) -> Sent:
        rng = self._rng
        self._number += 1
        name = f"{self._client_id.lower()}-{self._number}" if named else None
        terms: dict[str, Any] = {
            "type": "limit",
            "security_id": rng.choice(SECURITIES),
            "side": rng.choice(("buy", "sell")),
            # Now and then more than the client can pay for.
            "quantity": rng.randint(1, 400 if rng.random() < 0.02 else 10),
        }
        if rng.random() < 0.05:
            terms["type"] = "market"
        else:
            terms["price"] = (REFERENCE_CENTS + rng.randint(-30, 30)) / 100
            terms["time_in_force"] = rng.choices(("gtc", "ioc", "fok"), (8, 1, 1))[0]
        if name is not None:
            terms["client_order_id"] = name
        return Sent(self._client_id, name, terms)

    def _send(self, orders: Sequence[Sent]) -> None:
        """Send orders in one request, with some cancels of earlier ones, and keep what was answered to each."""
        cancels = [self._cancel() for _ in range(len(orders) // 4) if self._cancellable]
        content: Any = [order.terms for order in orders] + cancels
        alone = len(content) == 1 and self._rng.random() < 0.5
        sent_s = time.monotonic()
        status, answer = self._ask(content[0] if alone else content)
        took_s = time.monotonic() - sent_s
        results = answer.get("results")
        if status != 202 or not isinstance(results, list):
            results = [answer] * len(content)
        for order, result in zip(orders, results, strict=False):
            # Within an array an element that was refused has a status of its own.
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
                self._cancellable.append((order.terms["security_id"], attempt.order_id))
                del self._cancellable[:-200]

    def _cancel(self) -> dict[str, Any]:
        security_id, order_id = self._cancellable.pop(self._rng.randrange(len(self._cancellable)))
        return {"type": "cancel", "security_id": security_id, "order_id": order_id}

    def _ask(self, content: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer; 0 when there was none."""
        body = json.dumps(content).encode()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    str(self._address.hostname), self._address.port, timeout=ANSWER_TIMEOUT_S
                )
            self._connection.request("POST", "/orders", body, self._head)
            with self._connection.getresponse() as answer:
                read = answer.read()
            return answer.status, json.loads(read)
        except (OSError, http.client.HTTPException, ValueError) as fault:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return 0, {"code": type(fault).__name__}
