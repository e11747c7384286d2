"""`python -m bench.cluster --seed 7`: faults of hosts while ten clients trade, then the account and the audit.

Exit status 1 reports findings.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.cluster import faults, report, verdict
from bench.cluster.clients import Follower, Trader
from bench.cluster.faults import Fault
from bench.scenarios import report as machine
from bench.target.accounts import NAMES, admin_key_of, open_accounts
from bots.client import Client
from db.connect import Database
from deploy.cluster import readiness
from deploy.cluster.cluster import CLUSTER, Cluster, prepared, proxy_url
from deploy.cluster.layout import HOSTS
from deploy.local.failure import Failure, ending
from deploy.local.supervisor import wait_until

# Of undisturbed trading before each fault, and after the last one [s].
_QUIET_S = 10.0
# The longest time after the end of a fault until every client trades again [s].
_TRADE_AGAIN_S = 300.0
_MOST_LISTED = 20
# The largest share of orders that may be denied, for lack of shares or too many open orders.
_MOST_DENIED = 0.2


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    command = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    command.add_argument("--seed", type=int, default=1, help="seed of faults and orders (default: %(default)s)")
    command.add_argument("--faults", type=int, default=7, help="number of faults (default: one of each kind, 7)")
    command.add_argument("--rate", type=float, default=2_000.0, help="orders a second (default: %(default)g)")
    command.add_argument("--results", type=Path, default=machine.RESULTS, help="folder of the report")
    return command


def main() -> int:
    """Break the running cluster; exit status 1 if anything is wrong."""
    options = parser().parse_args()
    cluster = prepared(os.environ)
    if readiness.running_nodes(cluster) != len(HOSTS):
        raise Failure("the cluster is not complete: start it with `make cluster`")
    clearing_data, market_data = (
        Database(cluster.database_url(name), pool_size=1, try_first=True) for name in ("clearing_data", "market_data")
    )
    urls = [proxy_url(host) for host in HOSTS]
    admin_key = admin_key_of(CLUSTER.directory)
    keys = open_accounts(urls[0], admin_key=admin_key, run_directory=CLUSTER.directory)
    for name in NAMES:  # what earlier runs have left
        Client(urls[0], keys[name]).cancel_all()
    run = f"hosts-{options.seed}-{int(time.time())}"
    per_s = options.rate / len(NAMES)
    traders = [
        Trader(number, keys[name], urls, run=run, seed=options.seed, per_s=per_s) for number, name in enumerate(NAMES)
    ]
    follower = Follower(NAMES[0], keys[NAMES[0]], urls)
    started_us, started_s = time.time_ns() // 1_000, time.monotonic()
    for thread in (*traders, follower):
        thread.start()
    try:
        begun = _break(cluster, faults.schedule(options.seed, options.faults), traders, started_s)
        time.sleep(_QUIET_S)
        lasted_s = time.monotonic() - started_s
    finally:
        for trader in traders:
            trader.end()
        for trader in traders:
            trader.join()
    audited, findings = verdict.audit()
    follower.ended.set()
    follower.join()
    follower.catch_up(urls[0])
    accepted = {name: order_id for trader in traders for name, order_id in trader.accepted.items()}
    lost, doubled, denied = verdict.order_findings(accepted, NAMES, clearing_data, market_data)
    if denied > _MOST_DENIED * len(accepted):
        findings.append(f"{denied:,} orders were denied, so this run proves little; start from an empty cluster")
    found = {
        "lost": lost,
        "doubled": doubled + [one for trader in traders for one in trader.doubled],
        "never answered": [name for trader in traders for name in trader.unanswered],
        "gaps in a stream": follower.wrong,
    }
    findings += [f"{kind}: {one}" for kind, some in found.items() for one in some[:_MOST_LISTED]]
    begins_us = [started_us + round(began_s * 1e6) for _, began_s in begun]
    waits_s = verdict.standstills(clearing_data, started_us, begins_us)
    for (fault, _), wait_s in zip(begun, waits_s, strict=True):
        if wait_s is None:
            findings.append(f"no order was settled after {fault.name}")
    shown = report.figures(options.seed, lasted_s, traders, follower)
    shown |= {name.replace(" ", "_"): len(some) for name, some in found.items()} | {"denied": denied}
    shown["until_settled_s"] = [
        {"fault": fault.name, "began_s": round(began_s, 1), "seconds": wait_s and round(wait_s, 2)}
        for (fault, began_s), wait_s in zip(begun, waits_s, strict=True)
    ]
    shown["audit"] = [{"rule": rule["rule"], "passed": rule["passed"]} for rule in audited.get("rules", [])]
    shown["findings"] = findings
    print(report.as_text(shown))
    _say(started_s, f"written to {report.write(shown, options.results)}")
    return 1 if findings else 0


def _break(
    cluster: Cluster, groups: Sequence[Sequence[Fault]], traders: Sequence[Trader], started_s: float
) -> list[tuple[Fault, float]]:
    """Let faults happen, the next ones when clients trade again; return those that were possible, and when they began.

    raises  Failure  clients do not trade again
    """
    begun: list[tuple[Fault, float]] = []
    for group in groups:
        time.sleep(_QUIET_S)
        began_s = time.monotonic()
        ends: list[tuple[float, str, Callable[[], None]]] = []
        try:
            for fault in group:
                time.sleep(max(began_s + fault.after_s - time.monotonic(), 0.0))
                _say(started_s, fault.name)
                now_s = time.monotonic()
                try:
                    ends.append((now_s + fault.lasts_s, fault.name, faults.begin(fault, cluster)))
                    begun.append((fault, now_s - started_s))
                except Failure as failure:
                    _say(started_s, f"not possible now: {failure}")
            for entry in sorted(ends, key=lambda one: one[0]):
                time.sleep(max(entry[0] - time.monotonic(), 0.0))
                ends.remove(entry)
                entry[2]()
                _say(started_s, f"{entry[1]} is over")
        finally:
            for _, _, end in ends:
                end()
        _wait_for_trade(traders, after=", ".join(fault.name for fault in group))
        _say(started_s, "all clients trade again")
        # A second host that is lost before the first one is whole again is more than a cluster of three bears.
        _wait_until_whole(cluster)
        _say(started_s, "all hosts work together again")
    return begun


def _wait_for_trade(traders: Sequence[Trader], *, after: str) -> None:
    before = [len(trader.accepted) for trader in traders]

    def all_trade() -> bool:
        return all(len(trader.accepted) > count for trader, count in zip(traders, before, strict=True))

    wait_until(all_trade, _TRADE_AGAIN_S, f"clients did not trade again after {after}")


def _wait_until_whole(cluster: Cluster) -> None:
    """Return when all hosts work together again. Raises Failure."""
    # Supervisors may still be starting processes again, so nothing is checked meanwhile.
    readiness.wait_for_rabbitmq(cluster)
    readiness.wait_for_postgres(cluster)
    wait_until(
        lambda: len(readiness.standbys(cluster)) == len(HOSTS) - 1,
        readiness.START_S,
        "a server of Postgres does not follow the primary; see .run/cluster/host-1/logs/patroni.log and the others",
    )
    readiness.wait_for_proxies()


def _say(started_s: float, line: str) -> None:
    print(f"{time.monotonic() - started_s:6.1f} s  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(ending(main))
