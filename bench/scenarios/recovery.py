"""The time a shard is without a matching worker: after a start, a kill, a hang, and during a snapshot."""

from __future__ import annotations

import itertools
import signal
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from bench.scenarios.drill import SECURITIES, Floor, MatchingWorker, Tape, feed, resting_orders
from bench.scenarios.report import Section, percentile_ms
from bench.target.exchange import Exchange
from celery_app.settings import settings
from tasks.messages import Command, PlaceOrder

RESTARTS = 3
# The load during a kill or a hang, and the orders that are timed during snapshots.
LOAD_ORDERS_A_SECOND = 2_000
CHUNK = 20
WARM_UP_S = 3.0
LONGEST_S = 60.0
SINGLES_A_SECOND = 100
SINGLES_S = 10.0


def measure(exchange: Exchange, *, commands: int, seed: int) -> Section:
    """Drill shard 0 of an exchange. The caller has stopped its workers.

    commands  in the log; in the second half all of them rest in the books
    """
    figures: dict[str, Any] = {"commands": commands}
    with tempfile.TemporaryDirectory(prefix="bench-recovery-") as folder:
        logs = Path(folder)
        floor = Floor(exchange.clearing_data, exchange.broker_url)
        stream = feed(seed)
        floor.start_over(stream, commands)
        figures["mixed"] = _restarts(floor, logs, next(stream))
        stream = resting_orders(seed)
        floor.start_over(stream, commands)
        figures["resting"] = _restarts(floor, logs, next(stream))
        figures["next_to_snapshots"] = _orders_next_to_snapshots(floor, logs, first_id=commands + 2)
        for name, how in (("killed", signal.SIGKILL), ("hung", signal.SIGSTOP)):
            stream = feed(seed)
            floor.start_over(stream, LOAD_ORDERS_A_SECOND)
            figures[name] = _takeover(floor, logs, how, stream)
        floor.broker.release()
    return Section("recovery", _rows(figures), figures)


def _restarts(floor: Floor, logs: Path, another: Command) -> dict[str, float]:
    """Time starts from the log alone, and then from the snapshot of a warm stop [s]."""
    with MatchingWorker(logs / "replays.log") as worker:
        figures = {"replay_s": worker.start_s, "replay_cpu_s": worker.cpu_s()}
        seq = floor.enter([another])
        worker.wait_for("shard_active")
        figures["stop_s"] = worker.stop_s()
    assert floor.newest_snapshot() == seq, "a warm stop leaves a snapshot"
    starts, used = [], []
    for _ in range(RESTARTS):
        with MatchingWorker(logs / "restarts.log") as worker:
            starts.append(worker.start_s)
            used.append(worker.cpu_s())
            figures["memory_mb"] = worker.memory_bytes() / 2**20
    return figures | {"restart_s": median(starts), "restart_cpu_s": median(used)}


def _orders_next_to_snapshots(floor: Floor, logs: Path, *, first_id: int) -> dict[str, float]:
    """Time single orders from entry to trade while the worker writes one snapshot after another."""
    taken_s: list[float] = []
    with MatchingWorker(logs / "snapshots.log", SNAPSHOT_EVERY_COMMANDS="1") as worker:
        tape = Tape(floor.broker)
        for number in range(round(SINGLES_S * SINGLES_A_SECOND)):
            began_s = time.perf_counter()
            order = PlaceOrder(
                first_id + number, "TAKER", SECURITIES[0], "limit", "buy", 1, 10_400, "ioc", False, first_id + number
            )
            seq = floor.enter([order])
            entered_s = time.perf_counter()
            tape.read_until(began_s + 1 / SINGLES_A_SECOND)
            while seq not in tape.came_s:
                tape.read_until(time.perf_counter() + 0.001)
            taken_s.append(max(tape.came_s[seq] - entered_s, 0.0))
        tape.close()
        written = worker.count("event=snapshot_written")
        worker.stop_s()
    percentiles = {f"p{percent}_ms": percentile_ms(taken_s, percent) for percent in (50, 99)}
    return percentiles | {"longest_ms": max(taken_s) * 1000, "snapshots": written}


def _takeover(floor: Floor, logs: Path, how: signal.Signals, stream: Iterator[Command]) -> dict[str, float]:
    """Stop the active one of two workers under load; return the time until the first event of a later command [s]."""
    with MatchingWorker(logs / "first.log") as active, MatchingWorker(logs / "second.log") as standby:
        tape = Tape(floor.broker)
        began_s = time.perf_counter()
        stopped_s, stopped_seq, seq = 0.0, 0, 0
        for step in itertools.count(1):
            seq = floor.enter(list(islice(stream, CHUNK)))
            tape.read_until(began_s + step * CHUNK / LOAD_ORDERS_A_SECOND)
            if not stopped_s and time.perf_counter() - began_s > WARM_UP_S:
                if not active.is_active():
                    active, standby = standby, active
                stopped_s, stopped_seq = time.perf_counter(), seq
                active.send(how)
            later = [came_s for number, came_s in tape.came_s.items() if number > stopped_seq]
            if stopped_s and later and standby.is_active():
                break
            if time.perf_counter() - began_s > LONGEST_S:
                raise TimeoutError(f"the standby did not take over within {LONGEST_S:.0f} s")
        taken_over_s = time.perf_counter() - stopped_s
        active.send(signal.SIGKILL)
        tape.close()
    return {"first_event_s": min(later) - stopped_s, "taken_over_s": taken_over_s}


def _rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    count = figures["commands"]
    rows = []
    for name, what in (("mixed", "commands, 8 limit orders to 2 cancels"), ("resting", "commands, all of which rest")):
        one = figures[name]
        rows += [
            (f"{count:,} {what}", ""),
            ("- start, replaying the log", f"{one['replay_s']:.2f} s, {one['replay_cpu_s']:.2f} s of CPU"),
            ("- start from a snapshot", f"{one['restart_s']:.2f} s, {one['restart_cpu_s']:.2f} s of CPU"),
            ("- stop, leaving a snapshot", f"{one['stop_s']:.2f} s"),
            ("- memory of the worker", f"{one['memory_mb']:.0f} MB"),
        ]
    timed = figures["next_to_snapshots"]
    rows += [
        (
            f"orders while {timed['snapshots']} snapshots were written",
            f"p50 {timed['p50_ms']:.1f} ms · p99 {timed['p99_ms']:.1f} ms · longest {timed['longest_ms']:.0f} ms",
        ),
        (
            f"kill -9 under {LOAD_ORDERS_A_SECOND:,} orders/s",
            f"first event after {figures['killed']['first_event_s']:.2f} s",
        ),
        (
            f"SIGSTOP under {LOAD_ORDERS_A_SECOND:,} orders/s",
            f"first event after {figures['hung']['first_event_s']:.2f} s, messages after "
            f"{figures['hung']['taken_over_s']:.2f} s; three heartbeats are {3 * settings().matching_heartbeat_s} s",
        ),
    ]
    return rows
