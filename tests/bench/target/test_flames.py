"""Flame graphs need py-spy, which nothing else needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.target import flames
from bench.target.cpu import pids_of
from deploy.local.failure import Failure


def test_a_missing_py_spy_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with (
        pytest.raises(Failure, match=r"pip install --require-hashes -r bench/requirements\.txt"),
        flames.recorded(tmp_path, tmp_path / "flames", "arrays"),
    ):
        raise AssertionError("nothing is measured")
    assert not (tmp_path / "flames").exists()


def test_the_processes_of_one_exchange_are_found_by_its_run_directory(tmp_path: Path) -> None:
    api, other = (
        subprocess.Popen(
            [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", "-m", "api"],
            env={**os.environ, "RUN_DIRECTORY": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for folder in (tmp_path, tmp_path / "other")
    )
    with api, other:
        for process in (api, other):
            assert process.stdout is not None
            process.stdout.readline()
        assert pids_of(tmp_path) == {"api": api.pid}
        for process in (api, other):
            assert process.stdin is not None
            process.stdin.close()
