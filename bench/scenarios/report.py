"""The report of a benchmark: a table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

from sqlalchemy import text

from bench.load.generator import Plan
from bench.scenarios.latency import Latency
from bench.scenarios.throughput import LOAD, Throughput
from bench.target.cpu import MEASUREMENT, OTHER
from bench.target.exchange import Exchange

RESULTS = Path("bench/results")

WHOLE = "the whole exchange"
NOT_OF_THE_EXCHANGE = frozenset({OTHER, MEASUREMENT, LOAD, "postgres for bench"})


@dataclass(frozen=True, slots=True)
class Section:
    """One scenario's part of the report: a heading, rows of name and value, and all figures."""

    title: str
    rows: list[tuple[str, str]]
    figures: dict[str, Any]


def percentile_ms(times_s: Sequence[float], percent: int) -> float:
    """Return a percentile of times in milliseconds; NaN without times."""
    if len(times_s) < 2:
        return times_s[0] * 1000 if times_s else float("nan")
    return quantiles(times_s, n=100, method="inclusive")[percent - 1] * 1000


def throughput_section(name: str, plan: Plan, outcome: Throughput, *, in_flight: int) -> Section:
    """Report a throughput run, down to each part's CPU for an order [µs]."""
    load = outcome.load
    sending = f"arrays of {plan.array_size}" if plan.array_size else "single orders"
    pace = f"{plan.rate:.0f} orders/s" if plan.rate else f"closed loop, at most {in_flight} orders under way"
    us_an_order = _us_an_order(outcome.cpu_s, load.accepted)
    bytes_an_order = {
        "wal": round(outcome.stored.wal_bytes / load.accepted),
        "on disk": round(outcome.stored.disk_bytes / load.accepted),
    }
    figures: dict[str, Any] = {
        "orders_a_second": round(outcome.orders_a_second, 1),
        "accepted_a_second": round(load.accepted / load.seconds, 1),
        "orders": load.accepted,
        "trades": outcome.trades,
        "trades_an_order": round(outcome.trades / load.accepted, 3),
        "refused": dict(load.refused),
        "lost_connections": load.lost,
        "load_seconds": round(load.seconds, 2),
        "drain_seconds": round(outcome.seconds - load.seconds, 2),
        "largest_backlog_orders": outcome.largest_backlog,
        "answer_ms": {f"p{percent}": round(percentile_ms(load.latencies_s, percent), 2) for percent in (50, 95, 99)},
        "cpu_us_an_order": us_an_order,
        "bytes_an_order": bytes_an_order,
        "other_cores": round(outcome.cpu_s[OTHER] / outcome.seconds, 2),
        "memory_mb": {part: round(size / 2**20) for part, size in sorted(outcome.memory_bytes.items())},
        "array_size": plan.array_size,
        "connections": plan.connections,
        "cancels_an_array": plan.cancels,
        "rate": plan.rate,
        "in_flight": in_flight,
        "seed": plan.seed,
        "each_second": _each_second(outcome),
    }
    answer = figures["answer_ms"]
    rows = [
        ("load", f"{sending}, {plan.connections} connections, {pace}"),
        ("settled and stored", f"{outcome.orders_a_second:,.0f} orders/s over {outcome.seconds:.1f} s"),
        ("accepted", f"{load.accepted:,} orders in {load.seconds:.1f} s, {load.accepted / load.seconds:,.0f} orders/s"),
        ("trades", f"{outcome.trades:,}, {outcome.trades / outcome.seconds:,.0f} trades/s"),
        ("refused", ", ".join(f"{count:,} with {status}" for status, count in load.refused.items()) or "none"),
        ("connections lost", str(load.lost)),
        ("drained", f"{outcome.seconds - load.seconds:.2f} s after the last answer"),
        ("largest backlog", f"{outcome.largest_backlog:,} orders"),
        ("POST to answer", " · ".join(f"{name} {ms:.1f} ms" for name, ms in answer.items())),
        ("written by Postgres", " · ".join(f"{name} {size:,} bytes an order" for name, size in bytes_an_order.items())),
        ("rest of the machine", _rest_of_the_machine(outcome.cpu_s, outcome.seconds)),
        *((f"CPU {part}", f"{us:.1f} µs an order") for part, us in us_an_order.items()),
    ]
    return Section(name, rows, figures)


def _us_an_order(cpu_s: dict[str, float], orders: int) -> dict[str, float]:
    """Return the CPU of the whole exchange for an order [µs], and of each part, the largest first."""
    whole_s = sum(used_s for part, used_s in cpu_s.items() if part not in NOT_OF_THE_EXCHANGE)
    parts = sorted(cpu_s.items(), key=lambda item: -item[1])
    return {part: round(1e6 * used_s / orders, 1) for part, used_s in [(WHOLE, whole_s), *parts]}


def _rest_of_the_machine(cpu_s: dict[str, float], seconds: float) -> str:
    """Report the cores that other programs used."""
    return f"{cpu_s[OTHER] / seconds:.2f} of {os.cpu_count()} cores"


def _each_second(outcome: Throughput) -> list[dict[str, int]]:
    """Return the last look of every second."""
    last = {int(moment.seconds): moment for moment in outcome.moments}
    return [
        {
            "second": second + 1,
            "accepted": moment.accepted,
            "logged": moment.look.logged,
            "settled": moment.look.settled,
            "stored": moment.look.stored,
        }
        for second, moment in last.items()
    ]


def latency_section(name: str, outcome: Latency) -> Section:
    """Report a latency run."""
    times = {
        "POST to answer": outcome.answered_s,
        "POST to trade report on the WebSocket": outcome.reported_s,
        "taken to settled in clearing_data": outcome.settled_s,
        "taken to settlement stored in market_data": outcome.stored_s,
    }
    percentiles = {
        label: {f"p{percent}": round(percentile_ms(values, percent), 2) for percent in (50, 90, 99)}
        for label, values in times.items()
    }
    rows = [
        ("load", f"{outcome.orders:,} single orders at {outcome.rate:.0f} orders/s, every other one trades"),
        *(
            (label, " · ".join(f"{percent} {ms:.1f} ms" for percent, ms in values.items()))
            for label, values in percentiles.items()
        ),
        ("reports missing", str(outcome.missing)),
        ("rest of the machine", _rest_of_the_machine(outcome.cpu_s, outcome.seconds)),
    ]
    figures = {
        "orders": outcome.orders,
        "rate": outcome.rate,
        "ms": percentiles,
        "missing": outcome.missing,
        "cpu_us_an_order": _us_an_order(outcome.cpu_s, outcome.orders),
        "other_cores": round(outcome.cpu_s[OTHER] / outcome.seconds, 2),
        "cores_used": {part: round(used_s / outcome.seconds, 3) for part, used_s in sorted(outcome.cpu_s.items())},
    }
    return Section(name, rows, figures)


def machine(exchange: Exchange | None) -> dict[str, str]:
    """Describe the machine, its load, and the commit."""
    postgres = "none"
    if exchange is not None:
        with exchange.clearing_data.snapshot() as tx:
            postgres = str(tx.scalar(text("SHOW server_version")))
    cores = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in cores if line.startswith("model name")]
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "measured": datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": commit(),
        "cpu": f"{os.cpu_count()} x {models[0] if models else platform.machine()}",
        "memory": f"{memory_kb / 2**20:.1f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgres": postgres,
        "load average before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def commit() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return described or "unknown"


def as_text(facts: dict[str, str], sections: list[Section]) -> str:
    """Return the report as Markdown that also reads well in a terminal."""
    lines = ["# Benchmark", ""]
    for title, rows in [("Machine", list(facts.items())), *((section.title, section.rows) for section in sections)]:
        width = max(len(name) for name, _ in rows)
        value_width = max(len(value) for _, value in rows)
        lines += [f"## {title}", ""]
        lines += [f"| {'':{width}} | {'':{value_width}} |", f"|{'-' * (width + 2)}|{'-' * (value_width + 2)}|"]
        lines += [f"| {name:{width}} | {value:{value_width}} |" for name, value in rows]
        lines.append("")
    return "\n".join(lines)


def write(facts: dict[str, str], sections: list[Section], results: Path = RESULTS) -> Path:
    """Write the report as Markdown and all figures as JSON; return the path of the Markdown."""
    results.mkdir(parents=True, exist_ok=True)
    name = f"{facts['measured'][:19].replace(':', '')}-{'-'.join(section.title for section in sections)}"
    content = {"machine": facts, **{section.title: section.figures for section in sections}}
    (results / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    report = results / f"{name}.md"
    report.write_text(as_text(facts, sections))
    return report
