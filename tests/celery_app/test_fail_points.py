"""A process dies at the armed fail point, and only there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from celery_app.fail_points import POINTS

ROOT = Path(__file__).parents[2]

_WALK = """
from celery_app import fail_points
for step in range(4):
    fail_points.reach("matching.applied")
    print("applied", flush=True)
    fail_points.reach("matching.published")
    print("published", flush=True)
"""


def walk(fail_point: str) -> tuple[int, list[str]]:
    """Run a process that passes two points four times; return its exit status and its steps."""
    process = subprocess.run(
        [sys.executable, "-c", _WALK],
        cwd=ROOT,
        env=os.environ | {"FAIL_POINT": fail_point},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return process.returncode, [line for line in process.stdout.splitlines() if line in {"applied", "published"}]


@pytest.mark.parametrize(
    ("fail_point", "status", "steps"),
    [
        ("", 0, 8),
        ("matching.applied", -signal.SIGKILL, 0),
        ("matching.published", -signal.SIGKILL, 1),
        ("matching.published:3", -signal.SIGKILL, 5),
        ("matching.published:5", 0, 8),
        ("matching.nowhere", 1, 0),
        ("nonsense", 1, 0),
    ],
)
def test_a_process_dies_at_the_armed_point(fail_point: str, status: int, steps: int) -> None:
    ended, done = walk(fail_point)
    assert (ended, len(done)) == (status, steps)


def test_the_code_reaches_every_point() -> None:
    folders = [ROOT / name for name in ("api", "celery_app", "tasks")]
    code = "".join(file.read_text() for folder in folders for file in folder.rglob("*.py"))
    passed = set(re.findall(r'fail_points\.reach\("([a-z_.]+)"\)', code))
    points_of_every_stage = set(re.findall(r'fail_points\.reach\(f"\{self\._task\.name\}\.([a-z_]+)"\)', code))
    assert passed | {point for point in POINTS if point.partition(".")[2] in points_of_every_stage} == set(POINTS)
