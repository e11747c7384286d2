"""Ends every process that was started inside a block, including daemons and orphans."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


@contextmanager
def ended(*, patience_s: float = 15.0) -> Iterator[None]:
    """After the block, end every descendant of this process: with SIGTERM, and after `patience_s` with SIGKILL."""
    # An orphan becomes a child of this process instead of init's, so that it can be found.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        _end(signal.SIGTERM)
        deadline = time.monotonic() + patience_s
        while _running() and time.monotonic() < deadline:
            time.sleep(0.1)
        while _running():
            _end(signal.SIGKILL)
            time.sleep(0.1)
        _reap()


def wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for a child and return its exit status; reap adopted processes in the meantime.

    A test that checks whether such a process still exists would find its zombie otherwise.
    """
    while process.returncode is None:
        pid, status = os.wait()
        if pid == process.pid:
            process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode


def _end(how: signal.Signals) -> None:
    for pid in _running():
        with suppress(ProcessLookupError):
            os.kill(pid, how)


def _running() -> set[int]:
    """Return the running descendants of this process."""
    _reap()
    parents = dict(filter(None, map(_parent, Path("/proc").glob("[0-9]*/stat"))))
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in found | {os.getpid()}} - found:
        found |= more
    return found


def _parent(stat: Path) -> tuple[int, int] | None:
    """Return a process and its parent; None: the process has ended."""
    try:
        pid, _, rest = stat.read_text(errors="replace").partition(" (")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent = rest.rpartition(") ")[2].split()[:2]
    return None if state == "Z" else (int(pid), int(parent))


def _reap() -> None:
    """Collect the exit status of ended children, which are zombies until then."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
