"""The report of a chaos run, for people and for programs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.chaos.faults import FaultOutcome
from bench.chaos.record import Record
from bench.chaos.verdict import Verdict
from bench.scenarios.report import RESULTS, percentile_ms

# The contract's limit, with a margin for a busy machine and for measuring outside of it [s].
_LATE_S = 5.5


def figures(
    *,
    seed: int,
    seconds: float,
    commit: str,
    outcomes: Sequence[FaultOutcome],
    record: Record,
    verdict: Verdict,
    strangers: Mapping[str, int],
    read_slowly: int,
    log_bytes: int,
    stored_bytes: dict[str, int],
) -> dict[str, Any]:
    """Return all figures of a run."""
    times: dict[str, list[float]] = defaultdict(list)
    for one in outcomes:
        if one.recovery_s is not None:
            for group in ("all", one.fault.kind):
                times[group].append(one.recovery_s)
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "measured": datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": commit,
        "faults": len(outcomes),
        "recovery_s": {
            kind: {
                "faults": len(some),
                "p50": round(percentile_ms(some, 50) / 1000, 2),
                "max": round(max(some), 2),
            }
            for kind, some in sorted(times.items())
        },
        "orders": sum(1 for _ in record),
        "accepted": verdict.accepted,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "sent_again": verdict.sent_again,
        "buy_ins": verdict.buy_ins,
        "bought_in": verdict.bought_in,
        "lost_with_the_queues": verdict.lost_with_the_queues,
        "unknown_outcomes_resolved": verdict.resolved,
        "dead_letters": verdict.dead_letters,
        "answers": dict(record.answers.most_common()),
        "slowest_answer_s": round(record.slowest_s, 2),
        "late_answers": _late_answers(record, outcomes),
        "answers_to_strangers": dict(strangers),
        "read_slowly": read_slowly,
        "events": dict(verdict.events),
        "log_bytes": log_bytes,
        "stored_bytes": stored_bytes,
        "audit": [
            {"rule": rule["rule"], "passed": rule["passed"], "checked": rule["checked"]}
            for rule in verdict.audit.get("rules", [])
        ],
        "findings": verdict.findings,
        "schedule": [
            {
                "number": one.fault.number,
                "kind": one.fault.kind,
                "target": one.fault.target,
                "lasts_s": one.fault.lasts_s,
                "on_top": one.fault.on_top,
                "began_s": round(one.began_s, 1),
                "recovery_s": None if one.recovery_s is None else round(one.recovery_s, 2),
            }
            for one in outcomes
        ],
    }


def _late_answers(record: Record, outcomes: Sequence[FaultOutcome]) -> int:
    """Count answers that took longer than the contract allows while no fault affected the api itself."""
    disturbed = [
        (one.began_s, one.began_s + one.fault.lasts_s + (one.recovery_s or 0.0))
        for one in outcomes
        if one.fault.target == "api"
    ]
    return sum(
        attempt.status != 0
        and attempt.took_s > _LATE_S
        and not any(attempt.sent_s < end and begin < attempt.sent_s + attempt.took_s for begin, end in disturbed)
        for sent in record
        for attempt in sent.attempts
    )


def as_text(shown: dict[str, Any]) -> str:
    """Return the report as Markdown that also reads well in a terminal."""
    recovery = shown["recovery_s"]
    rows = [
        ("seed", str(shown["seed"])),
        ("commit", shown["commit"]),
        (
            "length",
            f"{shown['seconds']:.0f} s under load from ten clients, four short sellers, three that copy",
        ),
        ("faults", str(shown["faults"])),
        *(
            (f"recovery, {kind}", f"p50 {some['p50']:.1f} s · max {some['max']:.1f} s · {some['faults']} faults")
            for kind, some in recovery.items()
        ),
        ("orders sent", f"{shown['orders']:,}"),
        ("accepted", f"{shown['accepted']:,}"),
        ("lost", str(shown["lost"])),
        ("doubled", str(shown["doubled"])),
        ("sent more than once", f"{shown['sent_again']:,} orders"),
        *(
            [("lost with the queues", f"{shown['lost_with_the_queues']:,} orders")]
            if shown["lost_with_the_queues"]
            else []
        ),
        ("bought in", f"{shown['bought_in']} clients, with {shown['buy_ins']:,} orders"),
        ("unknown outcomes", f"{shown['unknown_outcomes_resolved']:,}, all resolved by client_order_id"),
        ("dead letters", str(shown["dead_letters"])),
        ("answers", ", ".join(f"{count:,} x {status}" for status, count in shown["answers"].items())),
        ("slowest answer", f"{shown['slowest_answer_s']:.1f} s, including stops of the api"),
        ("answers after 5 s", f"{shown['late_answers']}, without stops of the api"),
        (
            "strangers' requests",
            ", ".join(f"{count:,} x {said}" for said, count in sorted(shown["answers_to_strangers"].items())),
        ),
        ("messages read slowly", f"{shown['read_slowly']:,}"),
        ("in the logs", ", ".join(f"{count} x {event}" for event, count in shown["events"].items())),
        ("logs", f"{shown['log_bytes'] / 2**20:.1f} MB"),
        ("audit", ", ".join(f"{r['rule']}: {'passed' if r['passed'] else 'BROKEN'}" for r in shown["audit"])),
    ]
    width = max(len(name) for name, _ in rows)
    value_width = max(len(value) for _, value in rows)
    lines = ["# Chaos", "", f"| {'':{width}} | {'':{value_width}} |"]
    lines.append(f"|{'-' * (width + 2)}|{'-' * (value_width + 2)}|")
    lines += [f"| {name:{width}} | {value:{value_width}} |" for name, value in rows]
    if shown["findings"]:
        lines += ["", "## Findings", "", *(f"- {finding}" for finding in shown["findings"])]
    return "\n".join(lines) + "\n"


def write(shown: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write the report as Markdown and all figures as JSON; return the path of the Markdown."""
    return write_as("chaos", shown, as_text(shown), folder)


def write_as(kind: str, shown: dict[str, Any], text: str, folder: Path) -> Path:
    """Write the report of a run of some kind, under its time and its seed; return the path of the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{shown['measured'][:19].replace(':', '')}-{kind}-{shown['seed']}"
    (folder / f"{name}.json").write_text(json.dumps(shown, indent=1) + "\n")
    report = folder / f"{name}.md"
    report.write_text(text)
    return report
