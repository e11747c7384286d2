"""`python -m deploy.cluster.chaos --seed 7`: faults of hosts while two clients trade, then the audit.

Chance follows from the seed: which faults happen to which host, for how long, and when the next one begins. Every
other fault overlaps with the one before. A client asks for the next settled order all the time, so the longest wait
is what the faults cost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import requests

from deploy.cluster import faults, readiness
from deploy.cluster.cluster import CLUSTER, Cluster, prepared, proxy_url
from deploy.cluster.layout import HOSTS
from deploy.local import environment_file
from deploy.local.failure import Failure, ending
from deploy.local.places import VENV_PYTHON

FAULT_S = (5.0, 40.0)
PAUSE_S = (5.0, 20.0)
BATCH = 20
EVERY_S = 0.2
REQUEST_S = 10
SECURITY = "MSFT"
SIDES = ("buy", "sell")
CLIENTS = ("SINGLE", "FLOOD")


@dataclass
class Trader:
    """A client that sends arrays of orders until it is stopped, each order until it is accepted.

    begins_with  0: with a buy; 1: with a sell
    waits_s      the time until each array was accepted
    """

    key: str
    begins_with: int
    name: str
    stopped: threading.Event
    accepted: int = 0
    failures: int = 0
    waits_s: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Trade. A client whose host does not answer asks the next one."""
        array, host = 0, 0
        while not self.stopped.is_set():
            began = time.monotonic()
            # It sells with the next array what it bought, so that neither cash nor shares run out.
            side = SIDES[(array + self.begins_with) % 2]
            orders = [self._order(side, f"{self.name}-{array}-{n}") for n in range(BATCH)]
            while not self._send(proxy_url(HOSTS[host % len(HOSTS)]), orders):
                self.failures += 1
                host += 1
                if time.monotonic() - began > 300:
                    return  # the audit will say what is wrong
            self.waits_s.append(time.monotonic() - began)
            self.accepted += BATCH
            array += 1
            time.sleep(EVERY_S)

    def _order(self, side: str, client_order_id: str) -> dict[str, str | int]:
        return {
            "security_id": SECURITY,
            "side": side,
            "type": "limit",
            "quantity": 1,
            "price": "100.00",
            "client_order_id": client_order_id,
        }

    def _send(self, url: str, orders: list[dict[str, str | int]]) -> bool:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            answer = requests.post(f"{url}/orders", data=json.dumps(orders), headers=headers, timeout=REQUEST_S)
        except requests.RequestException:
            return False
        return answer.status_code in (200, 202)


def main() -> int:
    """Break the running cluster; exit status 1 if the audit finds anything."""
    arguments = argparse.ArgumentParser(prog="python -m deploy.cluster.chaos")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--faults", type=int, default=4)
    asked = arguments.parse_args()
    cluster = prepared(os.environ)
    if readiness.running_nodes(cluster) != len(HOSTS):
        raise Failure("the cluster is not complete: start it with `make cluster`")
    keys = json.loads((CLUSTER.directory / "keys.json").read_text())
    stopped = threading.Event()
    run = f"chaos-{asked.seed}-{int(time.time())}"
    traders = [Trader(keys[client], n, f"{run}-{client}", stopped) for n, client in enumerate(CLIENTS)]
    threads = [threading.Thread(target=trader.run) for trader in traders]
    for thread in threads:
        thread.start()
    try:
        _break(cluster, random.Random(asked.seed), asked.faults)  # noqa: S311  # repeatable, not secret
        readiness.wait_for_rabbitmq(cluster, still_up=_nothing)
        readiness.wait_for_postgres(cluster, still_up=_nothing)
        readiness.wait_for_proxies(still_up=_nothing)
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    waits_s = sorted(wait for trader in traders for wait in trader.waits_s)
    print(
        f"accepted {sum(trader.accepted for trader in traders):,}; tried again "
        f"{sum(trader.failures for trader in traders):,} times; until an array was accepted: "
        f"p50 {statistics.median(waits_s):.2f} s, max {waits_s[-1]:.1f} s"
    )
    return _audit()


def _break(cluster: Cluster, chance: random.Random, count: int) -> None:
    """Let faults happen one after the other, every second one while the one before it still lasts."""
    open_faults: list[Callable[[], None]] = []
    try:
        for n in range(count):
            time.sleep(chance.uniform(*PAUSE_S))
            kind, host = chance.choice(faults.KINDS), chance.choice(HOSTS)
            print(f"{time.strftime('%H:%M:%S')} {kind} {host.name}", flush=True)
            try:
                open_faults.append(faults.begin(kind, host, cluster))
            except (requests.RequestException, Failure) as fault:
                print(f"         not possible now: {str(fault)[:120]}")
            if n % 2:
                time.sleep(chance.uniform(*FAULT_S))
                while open_faults:
                    open_faults.pop()()
                print(f"{time.strftime('%H:%M:%S')} all is well again", flush=True)
    finally:
        while open_faults:
            open_faults.pop()()


def _audit() -> int:
    environment = os.environ | environment_file.read(CLUSTER)
    command = [str(VENV_PYTHON), "-m", "tasks.audit", "--patience", "60"]
    return subprocess.run(command, env=environment, check=False).returncode


def _nothing() -> None:
    """Check nothing: after a fault, the supervisors may still be starting processes again."""


if __name__ == "__main__":
    sys.exit(ending(main))
