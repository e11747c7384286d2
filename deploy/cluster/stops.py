"""`python -m deploy.cluster.stops`: stops one container of each kind while two clients trade, then audits.

For the cluster of docker-compose.yml, on Linux, where the addresses of its hosts can be reached. The clients send equal
orders to buy and to sell, wait until all are settled, and begin again; so the longest of these rounds is what a stop
costs. A host whose HAProxy or api does not answer is left for the next one, and the order sent again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from deploy.cluster import layout, readiness
from deploy.cluster.cluster import proxy_url
from deploy.cluster.layout import HOSTS
from deploy.local.failure import Failure, ending

FOLDER = Path(__file__).parent
SECURITY, PRICE, BATCH = "MSFT", "100.00", 10
# How long it trades without the container, and how long an order may take [s].
WITHOUT_S = 20
PATIENCE_S = 300
_ANSWER_S, _LOOK_S, _STATE_S = 10, 0.02, 5


@dataclass
class Market:
    """Two clients that trade with each other.

    keys     by client: of the buyer and the seller, who change places after each round
    host     the place of the host in HOSTS that they ask
    settled  orders that were accepted and have settled
    again    requests that had to be sent again
    """

    keys: list[str]
    run: str
    host: int = 0
    rounds: int = 0
    settled: int = 0
    again: int = 0

    def trade(self) -> float:
        """Trade once, and return how long it took until all orders were settled [s]. Raises Failure."""
        began = time.monotonic()
        placed = [(key, self._place(key, side)) for key, side in zip(self.keys, ("buy", "sell"), strict=True)]
        for key, order_ids in placed:
            for order_id in order_ids:
                while self._ask(key, "GET", f"/status/{SECURITY}/{order_id}").get("status") != "settled":
                    self._require(began)
                    time.sleep(_LOOK_S)
                self.settled += 1
        self.keys.reverse()
        self.rounds += 1
        return time.monotonic() - began

    def _place(self, key: str, side: str) -> list[int]:
        name = f"{self.run}-{self.rounds}-{side}"
        terms = {"security_id": SECURITY, "side": side, "type": "limit", "quantity": 1, "price": PRICE}
        orders = [terms | {"client_order_id": f"{name}-{n}"} for n in range(BATCH)]
        began = time.monotonic()
        while True:
            results = self._ask(key, "POST", "/orders", orders)["results"]
            # An order whose outcome is unknown is sent again under its client_order_id, until it has an id.
            if all("order_id" in result for result in results):
                return [result["order_id"] for result in results]
            self._require(began)
            self.again += 1

    def _ask(self, key: str, method: str, path: str, content: Any = None) -> dict[str, Any]:
        began = time.monotonic()
        while (answer := self._answer(key, method, path, content)) is None:
            self._require(began)
            self.again += 1
            self.host = (self.host + 1) % len(HOSTS)
            time.sleep(_LOOK_S)
        return answer

    def _answer(self, key: str, method: str, path: str, content: Any) -> dict[str, Any] | None:
        """Return the answer of the current host; None: ask another one. Raises Failure if the request is refused."""
        url = f"{proxy_url(HOSTS[self.host])}{path}"
        headers = {"Authorization": f"Bearer {key}"}
        try:
            answer = requests.request(method, url, json=content, headers=headers, timeout=_ANSWER_S)
        except requests.RequestException:
            return None
        if answer.status_code >= 500:
            return None
        if method == "GET" and answer.status_code == 404:
            return {}  # no report of the order yet
        if not answer.ok:
            raise Failure(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        found: dict[str, Any] = answer.json()
        return found

    @staticmethod
    def _require(began: float) -> None:
        if time.monotonic() - began > PATIENCE_S:
            raise Failure(f"an order did not settle within {PATIENCE_S} s: look at `docker-compose ps`, then audit")


def main() -> int:
    """Stop and start the containers; exit status 1 if the audit finds anything."""
    parser = argparse.ArgumentParser(prog="python -m deploy.cluster.stops")
    parser.add_argument(
        "services",
        nargs="*",
        metavar="SERVICE",
        help="stop these instead of one of each kind; a host: all of it",
    )
    parser.add_argument("--kill", action="store_true", help="kill the containers, without notice")
    asked = parser.parse_args()
    keys = json.loads(_compose("exec", "-T", "host-3.referee", "cat", "/run/exchange/keys.json"))
    market = Market([keys["SINGLE"], keys["FLOOD"]], f"stops-{int(time.time())}")
    usual_s = sorted(market.trade() for _ in range(20))
    print(f"20 rounds of {2 * BATCH} orders: until all were settled p50 {usual_s[10]:.2f} s, max {usual_s[-1]:.2f} s")
    for services in list(map(_named, asked.services)) or _of_each_kind():
        _stop(market, services, kill=asked.kill)
    print(f"placed and settled {market.settled:,} orders; sent again {market.again:,} requests")
    return subprocess.run([*_command(), "run", "--rm", "-T", "--no-deps", "migrate", *_AUDIT], check=False).returncode


_AUDIT = ("tasks.audit", "--patience", "60")


def _of_each_kind() -> list[list[str]]:
    """Return one container of each kind, of Postgres the primary; and at last all those of a host."""
    placed = [(name.split("-")[0], host.name) for host in HOSTS for name in (*host.engines, *host.processes)]
    first = dict(reversed(placed))
    kinds = [f"{first[kind]}.{kind}" for kind in dict(placed) if kind != "patroni"]
    return list(map(_named, [_primary(), *kinds, HOSTS[0].name]))


def _named(name: str) -> list[str]:
    """Return the services of a name: all containers of a host, or one."""
    if name not in {host.name for host in HOSTS}:
        return [name]
    return [one for one in _compose("config", "--services").split() if one.partition(".")[0] == name]


def _primary() -> str:
    roles = readiness.patroni_roles()
    leaders = [name for name, role in roles.items() if role in ("master", "primary")]
    if not leaders:
        raise Failure("Postgres has no primary: start the cluster with `docker-compose up -d`")
    return f"{leaders[0]}.patroni"


def _stop(market: Market, services: Sequence[str], *, kill: bool) -> None:
    """Stop containers, trade without them, start them again, and trade until the cluster is complete."""
    named = services[0] if len(services) == 1 else f"all {len(services)} of {services[0].partition('.')[0]}"
    waits_s = _while(market, "kill" if kill else "stop", services)
    until = time.monotonic() + WITHOUT_S
    while time.monotonic() < until:
        waits_s.append(market.trade())
    print(f"{named:24}  without it: {len(waits_s):4} rounds, max {max(waits_s):5.2f} s", end="", flush=True)
    began = time.monotonic()
    waits_s = _while(market, "start", services)
    while not _is_complete():
        waits_s.append(market.trade())
        if time.monotonic() - began > PATIENCE_S:
            raise Failure(f"{named} did not come back within {PATIENCE_S} s")
    print(f"; back after {time.monotonic() - began:5.1f} s, max {max(waits_s):5.2f} s", flush=True)


def _while(market: Market, verb: str, services: Sequence[str]) -> list[float]:
    """Trade at least once and until docker-compose has done it; return how long each round took [s]."""
    done = subprocess.Popen([*_command(), verb, *services], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    waits_s = [market.trade()]
    while done.poll() is None:
        waits_s.append(market.trade())
    if done.returncode:
        raise Failure(f"`docker-compose {verb} {' '.join(services)}` failed")
    return waits_s


def _is_complete() -> bool:
    """Return whether every HAProxy leads to an api that is ready, and both clusters have all their members."""
    try:
        for host in HOSTS:
            socket.create_connection((host.address, layout.BROKER_PORT), _STATE_S).close()
            requests.get(f"{proxy_url(host)}/health/ready", timeout=_STATE_S).raise_for_status()
        answer = requests.get(f"http://{HOSTS[0].address}:{layout.PATRONI_PORT}/cluster", timeout=_STATE_S)
        members = answer.json()["members"]
    except (OSError, ValueError):
        return False
    roles = sorted(member["role"] for member in members if member["state"] in ("running", "streaming"))
    return roles == ["leader", "replica", "sync_standby"]


def _compose(*words: str) -> str:
    done = subprocess.run([*_command(), *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"`docker-compose {' '.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout


def _command() -> list[str]:
    compose = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    return [*compose, "--project-directory", str(FOLDER), "-f", str(FOLDER / "docker-compose.yml")]


if __name__ == "__main__":
    sys.exit(ending(main))
