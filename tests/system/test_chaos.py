"""A short `make chaos`: a few faults of each main kind, on its own services, and everything holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.chaos.schedule import SHORT
from celery_app.settings import Settings
from tests.support.exchange import ROOT

# The faults of this seed were reviewed; any other seed has to pass, too.
SEED = 1
# One shard: the exchange is up sooner. Of every stage there are two workers, and of the shard a standby.
SMALL = {"SHARDS": "1"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return the folder of the exchange; the path of a Unix socket has to be short, and pytest's folders are deep."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    yield folder
    shutil.rmtree(folder)


def test_nothing_is_lost_whatever_is_killed(folder: Path) -> None:
    settings = {name.upper() for name in Settings.model_fields}
    others = {name: text for name, text in os.environ.items() if name not in settings}
    done = subprocess.run(
        [sys.executable, "-m", "bench.chaos", "--short", "--seed", str(SEED), "--folder", folder, "--results", folder],
        cwd=ROOT,
        env=others | SMALL,
        capture_output=True,
        text=True,
        check=False,
        timeout=1_800,
    )
    assert done.returncode == 0, done.stderr + done.stdout + logs(folder)
    (file,) = folder.glob("*-chaos-*.json")
    shown = json.loads(file.read_text())
    assert {(fault["kind"], fault["target"]) for fault in shown["schedule"]} == set(SHORT)
    assert shown["accepted"] > 0
    assert (shown["lost"], shown["doubled"], shown["dead_letters"], shown["findings"]) == (0, 0, 0, [])
    assert [rule["passed"] for rule in shown["audit"]] == [True] * 9


def logs(folder: Path) -> str:
    """Return the end of every log, for the failure message."""
    return "".join(
        f"== {log.name}\n{log.read_text(errors='replace')[-3000:]}\n" for log in sorted((folder / "logs").glob("*.log"))
    )
