"""A copy of the tree for trying one mutation after the other; the tree itself never changes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.mutations.mutation import Mutation, mutated

ROOT = Path(__file__).parents[2]
# The longest time of a run of tests, on a busy machine [s].
PATIENCE_S = 1_200.0
_TESTS_FAILED = 1


class Outcome(NamedTuple):
    """The outcome of a run of tests; `failed` names the tests that failed."""

    passed: bool
    failed: list[str]
    seconds: float
    output: str


@contextmanager
def copy() -> Iterator[Path]:
    """Copy the files that git tracks or would add, with the same virtual environment, for the block."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        root = Path(folder)
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        (root / ".venv").symlink_to(ROOT / ".venv")
        yield root


def try_one(root: Path, mutation: Mutation) -> Outcome:
    """Apply a mutation to the copy, run its catchers, and undo it.

    raises  NotApplicable
    """
    texts = mutated(root, mutation)
    before = {path: path.read_text() for path in texts}
    try:
        for path, text in texts.items():
            path.write_text(text)
        return run(root, mutation.catchers)
    finally:
        for path, text in before.items():
            path.write_text(text)


def run(root: Path, tests: Sequence[str]) -> Outcome:
    """Run tests of the copy on the services of this process until the first failure.

    raises  RuntimeError  pytest could not run them
    """
    began_s = time.monotonic()
    # Without compiled code, as Python would reuse that of another mutation of the same second and size.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--durations=5",
        "-p",
        "no:cacheprovider",
        "--tb=line",
        *tests,
    ]
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise RuntimeError(f"{tests} did not end in {PATIENCE_S:.0f} s") from None
    failed = re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, flags=re.MULTILINE)
    if process.returncode not in (0, _TESTS_FAILED) or (process.returncode and not failed):
        raise RuntimeError(f"{tests} could not be run:\n{output[-2000:]}")
    return Outcome(process.returncode == 0, failed, time.monotonic() - began_s, output)
