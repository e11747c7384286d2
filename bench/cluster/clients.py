"""The clients of the cluster: ten send arrays of orders, one reads its reports; each leaves a host that fails."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any
from urllib.parse import urlsplit

from websocket import WebSocket, WebSocketException

from bench.chaos.clients import Line
from bench.load import flow
from bots.client import Client
from bots.errors import Problem, Unavailable

ARRAY = 100
# Different orders of a client; then it starts over, under new client order ids.
_CYCLE = 4_000
_ANSWER_S = 10.0
_AGAIN_S = 0.3
# After the run a client may still try this long to get the answers that are missing.
_LAST_ANSWERS_S = 120.0
_SILENCE_S = 4.0


class Trader(threading.Thread):
    """Sends arrays at a steady pace until `ended`, each until every order has an answer.

    accepted  order id of each accepted order, by its client order id
    doubled   orders that were accepted under two ids
    refused   refusals for good, by code
    answers   answers to requests, by status and code
    waits_s   from each array's first request until its last order was accepted [s]
    """

    def __init__(self, number: int, key: str, urls: Sequence[str], *, run: str, seed: int, per_s: float) -> None:
        super().__init__(name=f"trader {number}", daemon=True)
        # With another seed a client begins with the other side, so that shares do not run out in run after run.
        self._orders = cycle(json.loads(order.json) for order in flow.cycle(number + seed, seed=seed, orders=_CYCLE))
        self._run = f"{run}-{number}"
        self._interval_s = ARRAY / per_s
        self._lines = [Line(url, key) for url in urls]
        self._host = number % len(urls)
        self._sent = 0
        self.accepted: dict[str, int] = {}
        self.doubled: list[str] = []
        self.unanswered: list[str] = []
        self.refused: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.waits_s: list[float] = []
        self.ended = threading.Event()
        self._give_up_s = float("inf")

    def end(self) -> None:
        """Send no new orders; the answers to the last ones may still come."""
        self._give_up_s = time.monotonic() + _LAST_ANSWERS_S
        self.ended.set()

    def run(self) -> None:
        """Trade."""
        due_s = time.monotonic()
        while not self.ended.wait(max(due_s - time.monotonic(), 0.0)):
            orders: dict[str, dict[str, Any]] = {}
            for order in islice(self._orders, ARRAY):
                self._sent += 1
                name = f"{self._run}-{self._sent}"
                orders[name] = order | {"client_order_id": name}
            self._place(orders)
            # What was missed during a fault is not caught up with: that would be another load.
            due_s = max(due_s + self._interval_s, time.monotonic())
        for line in self._lines:
            line.close()

    def _place(self, orders: dict[str, dict[str, Any]]) -> None:
        began_s = time.monotonic()
        while orders:
            status, answer = self._lines[self._host].ask("POST", "/orders", list(orders.values()), timeout_s=_ANSWER_S)
            self.answers[f"{status} {answer.get('code', '')}".strip()] += 1
            results = answer.get("results") if status == 202 else None
            if isinstance(results, list):
                for name, result in zip(list(orders), results, strict=True):
                    if self._is_final(name, result):
                        del orders[name]
            if not orders:
                break
            if time.monotonic() > self._give_up_s:
                self.unanswered += orders
                return
            self._host = (self._host + 1) % len(self._lines)
            time.sleep(_AGAIN_S)
        self.waits_s.append(time.monotonic() - began_s)

    def _is_final(self, name: str, result: dict[str, Any]) -> bool:
        status = result.get("status")
        if isinstance(status, int) and status >= 400:
            if status >= 500 or status == 429:
                return False
            self.refused[str(result.get("code"))] += 1
            return True
        order_id = int(result["order_id"])
        if self.accepted.setdefault(name, order_id) != order_id:
            self.doubled.append(f"{name} is {self.accepted[name]} and {order_id}")
        return True


class Follower(threading.Thread):
    """Reads the reports of one client from any host; what it missed between two connections it reads from the api.

    connections  how often it connected
    caught_up    reports that it read from the api
    repeated     reports that came again
    wrong        gaps that remained
    """

    def __init__(self, client_id: str, key: str, urls: Sequence[str]) -> None:
        super().__init__(name="follower", daemon=True)
        self._client_id = client_id
        self._key = key
        self._urls = urls
        self._last = 0
        self.connections = self.reports = self.caught_up = self.repeated = 0
        self.wrong: list[str] = []
        self.ended = threading.Event()

    def run(self) -> None:
        """Read."""
        for url in cycle(self._urls):
            if self.ended.is_set():
                return
            socket = WebSocket()
            try:
                self._read(socket, url)
            except (WebSocketException, OSError, Problem, Unavailable):
                self.ended.wait(_AGAIN_S)
            finally:
                socket.shutdown()

    def catch_up(self, url: str, *, before: int | None = None) -> None:
        """Read the reports that are missing; those before a sequence, or all. Raises Unavailable."""
        for report in Client(url, self._key).reports_after(self._last, client_id=self._client_id):
            sequence = report.sequence or 0
            if before is None or sequence < before:
                self.caught_up += 1
                self._take(sequence)

    def _read(self, socket: WebSocket, url: str) -> None:
        socket.connect(
            f"ws://{urlsplit(url).netloc}/stream/report",
            timeout=_SILENCE_S,
            header=[f"Authorization: Bearer {self._key}"],
            suppress_origin=True,
            http_no_proxy=["*"],
        )
        self.connections += 1
        while not self.ended.is_set():
            text = socket.recv()
            if not text:
                return
            sequence = int(json.loads(text)["sequence"])
            if self._last and sequence > self._last + 1:
                self.catch_up(url, before=sequence)
            self._take(sequence)

    def _take(self, sequence: int) -> None:
        self.reports += 1
        if sequence <= self._last:
            self.repeated += 1
            return
        if sequence > self._last + 1 and self._last:
            self.wrong.append(f"report {sequence} follows {self._last}")
        self._last = sequence
