"""Flame graphs of the exchange's Python processes, by py-spy, which is in the extra `flames`."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.target.cpu import pids_of
from deploy.local.failure import Failure

# Samples a second; more would slow the processes.
_RATE = 100
_WRITE_S = 60


@contextmanager
def recorded(run_directory: Path, folder: Path, scenario: str) -> Iterator[None]:
    """Record the processes while the block runs, and write `folder/SCENARIO-PART.svg` for each part of the exchange.

    Of several processes of a part, one is recorded. Only what uses the processor is in the picture. Raises Failure.
    """
    program = shutil.which("py-spy", path=Path(sys.executable).parent)
    if program is None:
        raise Failure("py-spy is not installed: .venv/bin/pip install --require-hashes -r bench/requirements.txt")
    folder.mkdir(parents=True, exist_ok=True)
    recorders = []
    for part, pid in sorted(pids_of(run_directory).items()):
        file = folder / f"{scenario}-{part}.svg"
        options = ["--nonblocking", "--rate", str(_RATE), "--output", str(file), "--pid", str(pid)]
        recorders.append(subprocess.Popen([program, "record", *options], stdout=subprocess.DEVNULL))
    try:
        yield
    finally:
        for recorder in recorders:
            recorder.send_signal(signal.SIGINT)  # it writes the picture
        for recorder in recorders:
            recorder.wait(_WRITE_S)
