"""Scenario `engine`: our engine and two others from PyPI take turns on the same feed.

The others are installed in an environment of their own under .run-bench. Every engine runs in a process of its own with
the same interpreter, and they take turns, so a disturbance of the machine affects all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from statistics import median
from typing import Any

from bench.engine import feed
from bench.engine.peers import PEERS
from bench.scenarios.report import Section
from bench.target.own import INSTANCE
from deploy.local.failure import Failure
from deploy.local.places import ROOT

ROUNDS = 5
SECONDS_A_ROUND = 2.0
OURS = "ours"


def measure(*, seed: int) -> Section:
    """Measure all engines.

    raises  Failure  pip cannot install the peers, or an engine does not finish the feed
    """
    python = _peers_python()
    used_s: dict[str, list[float]] = {name: [] for name in (OURS, *PEERS)}
    open_shares: dict[str, int] = {}
    for _ in range(ROUNDS):
        for name in used_s:
            if name == OURS:
                result = _run(sys.executable, "bench.engine.ours", "feed", seed)
            else:
                result = _run(str(python), "bench.engine.peers", name, seed)
            used_s[name] += result["cpu_s"]
            open_shares[name] = result["open_shares"]
    figures: dict[str, Any] = {
        "operations_a_second": {name: round(feed.OPERATIONS / median(times)) for name, times in used_s.items()},
        "best_operations_a_second": {name: round(feed.OPERATIONS / min(times)) for name, times in used_s.items()},
        "open_shares": open_shares,
        **{
            part: _run(sys.executable, "bench.engine.ours", part, seed)
            for part in ("flatness", "memory", "replay", "auction", "banded")
        },
    }
    return Section("engine", _rows(figures), figures)


def _peers_python() -> Path:
    """Return the interpreter of the peers' environment, which is created if necessary."""
    INSTANCE.directory.mkdir(exist_ok=True)
    environment = INSTANCE.directory / "peers"
    python = environment / "bin" / "python"
    wanted = sorted(requirement for requirement, _ in PEERS.values())
    stamp = environment / "installed.json"
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return python
    venv.create(environment, with_pip=True, clear=True)
    _checked([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
    stamp.write_text(json.dumps(wanted))
    return python


def _run(python: str, module: str, what: str, seed: int) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(_checked([python, "-m", module, what, str(seed), str(SECONDS_A_ROUND)]))
    return result


def _checked(command: list[str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Failure(f"{' '.join(command[1:4])}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return done.stdout


def _rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    typical, best = figures["operations_a_second"], figures["best_operations_a_second"]
    flatness = figures["flatness"]
    left = set(figures["open_shares"].values())
    rows = [
        ("feed", f"{feed.OPERATIONS:,} operations on {len(feed.BOOKS)} books, 8 limit orders to 2 cancels"),
        (OURS, f"{typical[OURS]:,} operations/s, at best {best[OURS]:,}; all rules, with all events"),
    ]
    for name, (requirement, what) in PEERS.items():
        rows.append((requirement, f"{typical[name]:,} operations/s, at best {best[name]:,}; {what}"))
    rows += [
        ("shares left open", f"{left.pop():,}, the same in all" if len(left) == 1 else str(figures["open_shares"])),
        (
            "1,000 resting orders",
            f"{flatness['few_ns']:,.0f} ns an operation; 1,000,000: {flatness['many_ns']:,.0f} ns, "
            f"{flatness['many_ns'] / flatness['few_ns']:.2f} times as much",
        ),
        ("memory", f"{figures['memory']['bytes_an_order']:.0f} bytes a resting order"),
        (
            "auction",
            f"{figures['auction']['order_us']:.1f} us an order of 10,000, with a look at the indicative price "
            f"{figures['auction']['indicated_us']:.1f} us; its uncross {figures['auction']['uncross_us'] / 1e3:.0f} ms",
        ),
        (
            "price bands",
            f"{figures['banded']['free_ns']:,.0f} ns an operation without, {figures['banded']['banded_ns']:,.0f} with",
        ),
        ("replay", f"{figures['replay']['entries_a_second']:,.0f} entries of the log a second, from their text"),
    ]
    return rows
