"""The pause of a security that moves to another shard under load: the longest time without a trade around the move."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from threading import Event, Thread
from typing import Any

from sqlalchemy import text

from bench.load.generator import Plan
from bench.scenarios import throughput
from bench.scenarios.report import Section, percentile_ms
from bench.target.exchange import Exchange
from db.clearing_data.listing import securities
from db.clearing_data.log import admission
from deploy.local.failure import Failure

RATE, ARRAY, CONNECTIONS = 1_000.0, 10, 10
# Between two moves, and before the first one [s].
EVERY_S = 2.0
# The last trade before a move and the first one after it are this close to its command [s].
AROUND_S = 1.0

_TRADED = text(
    "SELECT executed_us FROM executions WHERE kind = 'trade' AND security_id = :security_id ORDER BY executed_us"
)
_LOCKED = re.compile(r"was sequenced for (\d+) ms")


@dataclass(frozen=True, slots=True)
class _Move:
    security_id: str
    began_us: int
    ended_us: int
    locked_ms: int


def measure(exchange: Exchange, *, seconds: float, seed: int) -> Section:
    """Move every security shard by shard while clients trade. Raises Failure if none can.

    A security moves to a higher shard only, so the number of moves follows from the number of shards.
    """
    with exchange.clearing_data.snapshot() as tx:
        shards = {one.security_id: one.shard for one in securities.listed(tx)}
        most = max(admission.shards(tx))
    steps = [(name, shard) for shard in range(1, most + 1) for name, first in sorted(shards.items()) if first < shard]
    if not steps:
        raise Failure("no security can move to a higher shard; measure with SHARDS=6 and --own")
    moves: list[_Move] = []
    over = Event()
    mover = Thread(target=_move, args=(steps, over, moves))
    plan = exchange.plan(
        connections=CONNECTIONS,
        array_size=ARRAY,
        rate=RATE,
        seconds=max(seconds, EVERY_S * (len(steps) + 2)),
        seed=seed,
    )
    mover.start()
    try:
        outcome = throughput.measure(exchange, plan, in_flight=20_000)
    finally:
        over.set()
        mover.join()
    return _section(exchange, plan, outcome, moves)


def _move(steps: list[tuple[str, int]], over: Event, moves: list[_Move]) -> None:
    for security_id, shard in steps:
        if over.wait(EVERY_S):
            return
        began_us = time.time_ns() // 1_000
        command = [sys.executable, "-m", "tasks.moving", security_id, str(shard)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        locked = _LOCKED.search(done.stdout)
        assert locked is not None, done.stdout
        moves.append(_Move(security_id, began_us, time.time_ns() // 1_000, int(locked[1])))


def _section(exchange: Exchange, plan: Plan, outcome: throughput.Throughput, moves: list[_Move]) -> Section:
    pauses_s, usual_s = [], []
    with exchange.clearing_data.snapshot() as tx:
        traded = {
            name: list(tx.execute(_TRADED, {"security_id": name}).scalars())
            for name in {move.security_id for move in moves}
        }
    for move in moves:
        times = traded[move.security_id]
        around_us = round(AROUND_S * 1e6)
        first, last = bisect_left(times, move.began_us - around_us), bisect_left(times, move.ended_us + around_us)
        gaps = [(later - earlier) / 1e6 for earlier, later in pairwise(times[first:last])]
        pauses_s.append(max(gaps))
        usual_s += gaps
    figures: dict[str, Any] = {
        "moves": len(moves),
        "orders_a_second": round(outcome.orders_a_second, 1),
        "pause_ms": {"p50": round(1_000 * median(pauses_s), 1), "max": round(1_000 * max(pauses_s), 1)},
        "locked_ms": {"p50": median(move.locked_ms for move in moves), "max": max(move.locked_ms for move in moves)},
        "usual_gap_ms": {"p99": round(percentile_ms(usual_s, 99), 1)},
        "pauses_ms": [round(1_000 * pause_s, 1) for pause_s in pauses_s],
    }
    pause, locked, usual = figures["pause_ms"], figures["locked_ms"], figures["usual_gap_ms"]
    rows = [
        ("moves", f"{len(moves)}, next to {outcome.orders_a_second:,.0f} orders/s in arrays of {plan.array_size}"),
        ("longest time without a trade of the security", f"p50 {pause['p50']} ms · max {pause['max']} ms"),
        ("in which no command of the two shards was sequenced", f"p50 {locked['p50']} ms · max {locked['max']} ms"),
        ("time between two of its trades otherwise", f"p99 {usual['p99']} ms"),
    ]
    return Section("moves", rows, figures)
