"""The verdict on a run: each accepted order exists once, and how long trading stood still after each fault."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from bench.chaos.accounting import read_orders, times_in_the_log, times_reported
from db.clearing_data.listing import securities
from db.connect import Database
from deploy.cluster.cluster import CLUSTER
from deploy.local import environment_file
from deploy.local.places import VENV_PYTHON

# The stages may need as long to settle everything after the last fault [s].
_PATIENCE_S = 180
_MOST_LISTED = 20

# A trade counts from the younger of its orders.
_TRADES = text(
    "SELECT e.security_id, e.settled_us, greatest(b.created_us, s.created_us) AS created_us FROM executions e "
    "JOIN orders b ON b.order_id = e.buy_order_id JOIN orders s ON s.order_id = e.sell_order_id "
    "WHERE e.kind = 'trade' AND e.settled_us > :since_us"
)


def order_findings(
    accepted: Mapping[str, int], clients: Sequence[str], clearing_data: Database, market_data: Database
) -> tuple[list[str], list[str], int]:
    """Compare the answers that clients received with the register, the log and the reports.

    accepted  order ids by client order id, which no two clients share
    returns   what is lost: an accepted order that is not there, not reported, or neither in the log nor denied; what is
              doubled: one that is there, in the log, or reported more than once; and how many were denied
    """
    denied = 0
    lost: list[str] = []
    doubled: list[str] = []
    orders = read_orders(clearing_data, clients)
    logged, reported = times_in_the_log(clearing_data), times_reported(market_data, clients)
    for name, order_id in accepted.items():
        row = orders.get(order_id)
        if row is None or row.client_order_id != name:
            lost.append(f"{name}: {order_id} is missing")
            continue
        denied += row.is_denied
        times = logged[order_id] + row.is_denied, reported[order_id]
        if times != (1, 1):
            found = doubled if max(times) > 1 else lost
            found.append(
                f"{name}: {order_id} is in the log {logged[order_id]} times, denied: {row.is_denied}, "
                f"reported {reported[order_id]} times"
            )
    return lost, doubled, denied


def standstills(clearing_data: Database, since_us: int, begins_us: Sequence[int]) -> list[float | None]:
    """Return, for each fault, the time until every shard had settled an order that was accepted after its beginning.

    None: some shard never did [s]
    """
    with clearing_data.snapshot() as tx:
        shards = {one.security_id: one.shard for one in securities.listed(tx)}
        trades = [
            (row.created_us, row.settled_us, shards[row.security_id])
            for row in tx.execute(_TRADES, {"since_us": since_us})
        ]
    traded = {shard for _, _, shard in trades}
    waits: list[float | None] = []
    for began_us in begins_us:
        first = dict.fromkeys(traded, 0)
        for created_us, settled_us, shard in trades:
            if created_us > began_us and (not first[shard] or settled_us < first[shard]):
                first[shard] = settled_us
        waits.append((max(first.values()) - began_us) / 1e6 if traded and all(first.values()) else None)
    return waits


def audit() -> tuple[dict[str, Any], list[str]]:
    """Run the audit of the exchange; return its result, and its findings in words."""
    done = subprocess.run(
        [VENV_PYTHON, "-m", "tasks.audit", "--json", "--patience", str(_PATIENCE_S)],
        env=os.environ | environment_file.read(CLUSTER),
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout:
        return {}, [f"the audit failed: {done.stderr.strip()[-300:]}"]
    result = json.loads(done.stdout)
    return result, [
        f"audit, rule {rule['rule']}: {finding}"
        for rule in result["rules"]
        for finding in rule["findings"][:_MOST_LISTED]
    ]
