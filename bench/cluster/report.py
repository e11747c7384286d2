"""The report of a run, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.chaos.report import write_as
from bench.cluster.clients import Follower, Trader
from bench.scenarios.report import commit


def figures(seed: int, lasted_s: float, traders: Sequence[Trader], follower: Follower) -> dict[str, Any]:
    """Return what the clients saw."""
    accepted = sum(len(trader.accepted) for trader in traders)
    waits_s = sorted(wait_s for trader in traders for wait_s in trader.waits_s)
    answers: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for trader in traders:
        answers += trader.answers
        refused += trader.refused
    return {
        "seed": seed,
        "measured": datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": commit(),
        "seconds": round(lasted_s, 1),
        "accepted": accepted,
        "accepted_a_second": round(accepted / lasted_s),
        "answers": dict(answers.most_common()),
        "refused": dict(refused),
        "until_accepted_s": {"p50": round(median(waits_s), 3), "max": round(waits_s[-1], 1)},
        "stream": {
            "connections": follower.connections,
            "reports": follower.reports,
            "caught_up": follower.caught_up,
            "repeated": follower.repeated,
        },
    }


def as_text(shown: dict[str, Any]) -> str:
    """Return the report as Markdown that also reads well in a terminal."""
    settled = [one["seconds"] for one in shown["until_settled_s"] if one["seconds"] is not None]
    stream = shown["stream"]
    rows = [
        ("seed, commit", f"{shown['seed']}, {shown['commit']}"),
        ("length", f"{shown['seconds']:.0f} s"),
        ("accepted", f"{shown['accepted']:,}, {shown['accepted_a_second']:,} a second"),
        ("lost, doubled", f"{shown['lost']}, {shown['doubled']}"),
        ("until the next settled order", f"p50 {median(settled):.1f} s, max {max(settled):.1f} s" if settled else "-"),
        *((f"  {one['began_s']:.0f} s: {one['fault']}", f"{one['seconds']} s") for one in shown["until_settled_s"]),
        ("until an array was accepted", "p50 {p50:.3f} s, max {max:.1f} s".format(**shown["until_accepted_s"])),
        ("answers", ", ".join(f"{count:,} x {said}" for said, count in shown["answers"].items())),
        ("denied in order entry", f"{shown['denied']:,}"),
        ("refused", ", ".join(f"{count:,} x {said}" for said, count in shown["refused"].items()) or "none"),
        (
            "a stream of reports",
            f"{stream['reports']:,} over {stream['connections']} connections, {stream['caught_up']:,} of them read "
            f"afterwards, {stream['repeated']:,} repeated; gaps: {shown['gaps_in_a_stream']}",
        ),
        ("audit", ", ".join(f"{r['rule']}: {'passed' if r['passed'] else 'BROKEN'}" for r in shown["audit"])),
    ]
    lines = ["# Faults of hosts", "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    if shown["findings"]:
        lines += ["", "## Findings", "", *(f"- {finding}" for finding in shown["findings"])]
    return "\n".join(lines) + "\n"


def write(shown: dict[str, Any], folder: Path) -> Path:
    """Write the report as Markdown and all figures as JSON; return the path of the Markdown."""
    return write_as("cluster", shown, as_text(shown), folder)
