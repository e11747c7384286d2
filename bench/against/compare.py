"""Measure this tree against another commit.

Both exchanges start new for each run, and the load generator and the clock are those of this tree. Where this tree
cannot read the tables of the other commit, the other commit's own benchmark measures it, and the report says so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.against.other import FOLDER, OtherCommit, clone
from bench.against.pairs import Comparison, compare, spread, take_turns
from bench.scenarios import report
from deploy.local.failure import Failure
from deploy.local.lock import alone
from deploy.local.places import ROOT, VENV_PYTHON, Instance

SCENARIOS = ("latency", "singles", "arrays")
# The exit status of a benchmark that cannot read the tables of the exchange.
UNKNOWN_TABLES = 3


class Sides:
    """Measures one scenario on an exchange of either side."""

    def __init__(self, other: OtherCommit, scenario: str, options: argparse.Namespace) -> None:
        self._other = other
        self._scenario = scenario
        self._arguments = ["--scenario", scenario, *_load_arguments(options)]
        self.other_measures_itself = False

    def this(self) -> Mapping[str, Any]:
        """Measure a new exchange of this tree."""
        return self._figures(VENV_PYTHON, ROOT, ["--own"])

    def other(self) -> Mapping[str, Any]:
        """Measure a new exchange of the other commit."""
        if not self.other_measures_itself:
            with self._other.running() as environment:
                try:
                    url = f"http://127.0.0.1:{environment['API_PORT']}"
                    return self._figures(VENV_PYTHON, ROOT, ["--url", url], environment)
                except UnknownTables:
                    self.other_measures_itself = True
        return self._figures(self._other.python, self._other.folder, ["--own"])

    def _figures(
        self, python: Path, tree: Path, target: list[str], environment: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        is_other = environment is not None or tree != ROOT
        print(f"{self._scenario} of {self._other.commit if is_other else 'this tree'} ...", file=sys.stderr)
        with TemporaryDirectory(prefix="bench-against-") as folder:
            # The benchmark of an older commit keeps its results in its own tree.
            results = Path(folder) if tree == ROOT else tree / report.RESULTS
            own_folder = ["--results", folder] if tree == ROOT else []
            before = set(results.glob("*.json"))
            done = subprocess.run(
                [python, "-m", "bench", *self._arguments, *target, *own_folder],
                cwd=tree,
                env=os.environ | (environment or {}),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == UNKNOWN_TABLES:
                raise UnknownTables
            if done.returncode != 0:
                said = done.stderr.strip().splitlines()
                raise Failure(f"{self._scenario} of {tree} failed: {said[-1] if said else done.returncode}")
            (written,) = set(results.glob("*.json")) - before
            figures: Mapping[str, Any] = json.loads(written.read_text())[self._scenario]
            return figures


class UnknownTables(Exception):
    """This tree's benchmark cannot read the tables of the other commit."""


def measure(options: argparse.Namespace) -> Path:
    """Compare the scenarios of the options; print the report and return the path where it is kept.

    raises  Failure  the commit is unknown, an exchange does not start, or a run fails
    """
    with alone(Instance(FOLDER)):
        other = clone(options.against)
        facts = report.machine(None) | {"pairs": str(options.pairs), "seconds of a run": f"{options.seconds:g}"}
        tables = []
        runs = {}
        for scenario in SCENARIOS if options.scenario == "all" else [options.scenario]:
            sides = Sides(other, scenario, options)
            made = take_turns(sides.other, sides.this, pairs=options.pairs)
            runs[scenario] = [{"other": theirs, "this": ours} for theirs, ours in made]
            tables.append(as_table(scenario, other.commit, compare(made), sides.other_measures_itself))
    text = report.as_text(facts, []) + "\n" + "\n".join(tables)
    print(text)
    return _write(options.results, other.commit, text, {"machine": facts, "commit": other.commit, "runs": runs})


def as_table(scenario: str, commit: str, comparisons: list[Comparison], other_measures_itself: bool) -> str:
    """Write a scenario's figures as a Markdown table: medians, ranges, and the ratio of each pair."""
    by = "its own benchmark, whose RabbitMQ and Redis may include others" if other_measures_itself else "this benchmark"
    lines = [
        f"## {scenario}: this tree against {commit}, which {by} measures",
        "",
        f"| figure | {commit} | this tree | ratio |",
        "|---|---|---|---|",
        *(f"| {one.name} | {spread(one.other)} | {spread(one.this)} | {spread(one.ratios)} |" for one in comparisons),
        "",
    ]
    return "\n".join(lines)


def _load_arguments(options: argparse.Namespace) -> list[str]:
    given = {
        "--seconds": options.seconds,
        "--array-size": options.array_size,
        "--connections": options.connections,
        "--rate": options.rate,
        "--cancels": options.cancels,
        "--in-flight": options.in_flight,
        "--seed": options.seed,
    }
    return [word for name, value in given.items() if value is not None for word in (name, str(value))]


def _write(results: Path, commit: str, text: str, content: dict[str, Any]) -> Path:
    results.mkdir(parents=True, exist_ok=True)
    file = results / f"{datetime.now().astimezone():%Y-%m-%dT%H%M%S}-against-{commit}.md"
    file.write_text(text)
    file.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    return file
