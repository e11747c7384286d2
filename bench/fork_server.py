"""Python processes that start in a fraction of the time: forks of a process that has loaded their modules.

So workers start as those of `make up` do. Tests start hundreds of workers, apis and streams, and importing is most of
such a start. A fork runs its module as `python -m` does, with its own environment, session and log, and it may be
killed.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from signal import Signals
from threading import Lock

ROOT = Path(__file__).parents[1]


class ForkedProcess:
    """A running module, with that part of the interface of subprocess.Popen that tests use."""

    def __init__(self, server: _ForkServer, pid: int) -> None:
        self._server = server
        self.pid = pid

    def poll(self) -> int | None:
        """Return the exit status, or a signal's number below zero; None while it runs."""
        return self._server.status(self.pid, wait_s=0.0)

    def wait(self, timeout_s: float | None = None) -> int:
        """Return the exit status when the process has ended; raises subprocess.TimeoutExpired."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (status := self._server.status(self.pid, wait_s=0.1)) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout_s or 0.0)
        return status

    def send_signal(self, number: Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def start(
    module: str, *arguments: str, environment: Mapping[str, str], log: Path, loaded: str = "worker"
) -> ForkedProcess:
    """Run a module in the folder of the project, and return at once.

    environment  all variables of the process
    log          a file to which its output is appended
    loaded       what is loaded already: the modules of a "worker", or libraries of the "web", with gevent's patches
    """
    return _server(loaded).fork([module, *arguments], environment, log)


def load(loaded: str = "worker") -> None:
    """Load the modules now, so that the first start does not wait for that."""
    _server(loaded)


@cache
def _server(loaded: str) -> _ForkServer:
    return _ForkServer(loaded)


class _ForkServer:
    def __init__(self, loaded: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "bench.forking", loaded],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._lock = Lock()
        self._received = b""
        self._statuses: dict[int, int] = {}
        self._read_started()

    def fork(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> ForkedProcess:
        order = {"words": words, "environment": dict(environment), "log": str(log)}
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            return ForkedProcess(self, self._read_started())

    def status(self, pid: int, *, wait_s: float) -> int | None:
        with self._lock:
            if pid not in self._statuses:
                self._read(wait_s=wait_s)
            return self._statuses.get(pid)

    def _read_started(self) -> int:
        """Wait for the next process that starts; the server itself, when it is ready, is 0."""
        while (pid := self._read(wait_s=60.0)) is None:
            assert self._process.poll() is None, "the fork server ended"
        return pid

    def _read(self, *, wait_s: float) -> int | None:
        """Read what the server reports: exit statuses, which are kept, and a new process, which is returned."""
        assert self._process.stdout is not None
        started = None
        if select.select([self._process.stdout], [], [], wait_s)[0]:
            self._received += os.read(self._process.stdout.fileno(), 65_536)
            *lines, self._received = self._received.split(b"\n")
            for pid, status in map(json.loads, lines):
                if status is None:
                    started = pid
                    self._statuses.pop(pid, None)  # of an earlier process with this number
                else:
                    self._statuses[pid] = status
        return started
