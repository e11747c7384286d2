"""The teams of the rehearsal: scripts over HTTP, among them a flood, a crash, a wrong clock, and sleepers."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

# Statuses that are no fault of the exchange: refused by a rule, too fast, or an api that is being restarted.
_USUAL = frozenset({200, 202, 409, 422, 429, 503})
_TIMEOUT_S = 10.0
_PAUSE_S = 0.2
_LOOK_S = 3.0
# A team keeps at most this many orders open.
_MOST_OPEN = 8
_FLOODERS = 4
# The pause between two orders of a flooding connection [fraction of the usual one].
_FLOOD = 0.01
# The clock of the team with a wrong clock is slow by this time.
_SLOW = timedelta(hours=1)


class Team:
    """A team with its key; its threads trade until it is ended.

    accepted  ids of the orders that were answered with 202
    answers   how often each status was answered
    """

    def __init__(self, url: str, name: str, client_id: str, key: str, *, pace_s: float, seed: int) -> None:
        self.url = url
        self.name = name
        self.client_id = client_id
        self.key = key
        self.pace_s = self._usual_pace_s = pace_s
        self.accepted: set[int] = set()
        self.answers: Counter[int | str] = Counter()
        self.ended = threading.Event()
        self._rng = random.Random(seed)
        self._threads: list[threading.Thread] = []
        self._look_again_s = 0.0
        self._found: dict[str, Any] | None = None

    def start(self) -> None:
        """Begin to trade."""
        self._run(self._trade)

    def join(self) -> None:
        """End, and wait for the threads."""
        self.ended.set()
        for thread in self._threads:
            thread.join()

    def unusual(self) -> list[str]:
        """Return the answers that no team should get."""
        return [f"{self.name}: {status} ({count})" for status, count in self.answers.items() if status not in _USUAL]

    def _run(self, target: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=target, name=self.name, daemon=True))
        self._threads[-1].start()

    def _trade(self) -> None:
        session = self._session()
        resting: list[tuple[str, int]] = []
        while not self.ended.wait(self._rng.uniform(0.5, 1.5) * self.pace_s):
            security_id = self._security(session)
            if security_id is None:
                resting.clear()
                continue
            order = self.order(security_id, self._price(session, security_id))
            order_id = None if order is None else self._send(session, order)
            if order_id is not None:
                resting.append((security_id, order_id))
            if len(resting) > _MOST_OPEN:
                self._ask(session, "DELETE", "/orders/{}/{}".format(*resting.pop(0)))

    def order(self, security_id: str, price: float) -> dict[str, Any] | None:
        """Return the next order."""
        side = self._rng.choice(["buy", "sell"])
        limit = round(price * (1 + self._rng.gauss(0, 0.003)), 2)
        return {
            "type": "limit", "security_id": security_id, "side": side, "quantity": self._rng.randint(1, 10),
            "price": limit,
        }  # fmt: skip

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {self.key}"
        return session

    def _security(self, session: requests.Session) -> str | None:
        """Return one of the securities of the round, or None while there is no trading; look every few seconds."""
        if time.monotonic() >= self._look_again_s:
            self._look_again_s = time.monotonic() + self._rng.uniform(1.0, 2.0) * _LOOK_S * max(self._usual_pace_s, 1.0)
            self._found = self._ask(session, "GET", f"/competitions/{self.client_id.partition('.')[0]}")
        found = self._found
        if not found or found["phase"] not in ("auction", "trading"):
            return None
        chosen: str = self._rng.choice(found["securities"])["security_id"]
        return chosen

    def _price(self, session: requests.Session, security_id: str) -> float:
        found = self._ask(session, "GET", f"/price/{security_id}") or {}
        prices = [found[name] for name in ("last", "bid", "ask") if found.get(name) is not None]
        return float(prices[0]) if prices else {"A": 100.0, "B": 60.0, "G": 25.0}[security_id[0]]

    def _send(self, session: requests.Session, order: dict[str, Any]) -> int | None:
        answer = self._ask(session, "POST", "/orders", json=order)
        if not answer or "order_id" not in answer:
            return None
        self.accepted.add(answer["order_id"])
        return int(answer["order_id"])

    def _ask(self, session: requests.Session, method: str, path: str, **more: Any) -> dict[str, Any] | None:
        try:
            answer = session.request(method, self.url + path, timeout=_TIMEOUT_S, **more)
        except requests.ConnectionError:
            self.answers[503] += 1  # the api is being restarted
            time.sleep(_PAUSE_S)
            return None
        except requests.Timeout:
            self.answers["timeout"] += 1
            return None
        self.answers[answer.status_code] += 1
        found: dict[str, Any] = answer.json()
        return found if answer.ok else None


class Asleep(Team):
    """A team that joins and does nothing."""

    def start(self) -> None:
        """Do nothing."""


class Flooding(Team):
    """A team that sends as many orders as it can, over several connections, almost without a pause."""

    def start(self) -> None:
        """Begin to flood."""
        self.pace_s *= _FLOOD
        for _ in range(_FLOODERS):
            self._run(self._trade)

    def _price(self, session: requests.Session, security_id: str) -> float:  # noqa: ARG002  # it does not look
        return 20.0

    def _security(self, session: requests.Session) -> str | None:
        found = super()._security(session)
        if found is None:
            self.ended.wait(_PAUSE_S)
        return found


class WrongClock(Team):
    """A team whose clock is an hour slow: half of its orders expire before they arrive."""

    def order(self, security_id: str, price: float) -> dict[str, Any] | None:
        """Return an order that expires a minute after the team's own time."""
        order = super().order(security_id, price)
        if order is None or self._rng.random() < 0.5:
            return order
        expires = datetime.now(UTC) - _SLOW + timedelta(minutes=1)
        return order | {"time_in_force": "gtd", "expires_at": expires.isoformat()}


class Crashing(Team):
    """A team whose script, a process of its own, dies after some orders, is started again, and dies again."""

    _LIVES = 3

    def start(self) -> None:
        """Begin to start the script."""
        self._run(self._keep_crashing)

    def _keep_crashing(self) -> None:
        command = [sys.executable, "-m", "bench.competition.teams", self.url, self.name, self.client_id, self.key]
        for _ in range(self._LIVES):
            script = subprocess.run(command, capture_output=True, text=True, check=False)
            self.accepted |= {int(word) for word in script.stdout.split()}
            self.answers[202] += len(script.stdout.split())
            if self.ended.wait(10 * _PAUSE_S):
                return


def main() -> None:
    """Trade as the crashing team, and crash after ten orders with requests under way."""
    url, name, client_id, key = sys.argv[1:]
    team = Team(url, name, client_id, key, pace_s=1.0, seed=len(name))
    team.start()
    deadline_s = time.monotonic() + 60
    said: set[int] = set()
    while len(said) < 10 and time.monotonic() < deadline_s:
        new = set(team.accepted) - said
        said |= new
        for order_id in new:
            print(order_id, flush=True)
        time.sleep(0.05)
    raise SystemExit(1)  # the threads are daemons, so their requests end with the process


if __name__ == "__main__":
    main()
