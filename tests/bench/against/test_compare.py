"""Either side is measured by this tree's benchmark; by its own where this one cannot read its tables."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.against import compare
from bench.against.compare import UNKNOWN_TABLES, Sides
from bench.against.other import OtherCommit
from deploy.local.failure import Failure

OPTIONS = argparse.Namespace(
    seconds=5.0, array_size=100, connections=None, rate=None, cancels=0, in_flight=20_000, seed=1
)


def program(file: Path, script: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OtherCommit:
    """A commit whose benchmark counts 7 orders a second, and whose exchange runs without being started."""

    @contextmanager
    def running(_: OtherCommit) -> Iterator[dict[str, str]]:
        yield {"API_PORT": "1"}

    monkeypatch.setattr(OtherCommit, "running", running)
    commit = OtherCommit("abc", tmp_path / "abc")
    figures = json.dumps({"arrays": {"orders_a_second": 7}})
    program(commit.python, f"mkdir -p bench/results; echo '{figures}' > bench/results/own.json")
    return commit


def test_the_other_commit_measures_itself_where_its_tables_are_unknown(
    other: OtherCommit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    monkeypatch.setattr(
        compare, "VENV_PYTHON", program(tmp_path / "python", f"echo $* >> {calls}; exit {UNKNOWN_TABLES}")
    )
    sides = Sides(other, "arrays", OPTIONS)
    assert sides.other() == {"orders_a_second": 7}
    assert sides.other_measures_itself
    assert "--scenario arrays --seconds 5.0" in calls.read_text()
    assert "--url http://127.0.0.1:1 --results" in calls.read_text()
    (other.folder / "bench" / "results" / "own.json").unlink()
    assert sides.other() == {"orders_a_second": 7}
    assert len(calls.read_text().splitlines()) == 1  # it is not tried again


def test_a_failed_run_is_reported_with_its_last_line(
    other: OtherCommit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "VENV_PYTHON", program(tmp_path / "python", "echo 'it made 0.03 trades' >&2; exit 1"))
    with pytest.raises(Failure, match=r"arrays of .* failed: it made 0\.03 trades"):
        Sides(other, "arrays", OPTIONS).this()
