"""A real Celery worker process, as a test starts, kills and restarts it.

Stages promise to survive the death of their process, so tests have to kill one; a worker thread inside the test
would share its fate.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]

# Celery's own line, logged when the worker consumes for the first time.
READY = " ready."


class WorkerFailed(AssertionError):
    """The worker did not do what the test waited for; the message ends with its log."""


class Worker:
    """One worker of a stage: `with Worker("matching.0") as worker: ...` has it consuming inside the block.

    app          the module that Celery loads
    environment  variables on top of those of the test
    """

    def __init__(self, *queues: str, app: str = "celery_app", environment: Mapping[str, str] | None = None) -> None:
        self._app = app
        self._queues = ",".join(queues)
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self._log = Path(tempfile.mkstemp(prefix=f"worker-{'+'.join(queues)}-", suffix=".log")[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """All that the process has logged since its last start."""
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The process; its pool is solo, so there is only one."""
        assert self._process is not None, "the worker was not started"
        return self._process.pid

    def start(self, *, timeout_s: float = 30.0) -> Self:
        """Start the process and return when it consumes.

        raises  WorkerFailed  it ended or was not ready in time
        """
        self.launch()
        self.wait_ready(timeout_s=timeout_s)
        return self

    def launch(self) -> None:
        """Start the process and return at once."""
        assert self._process is None, "the worker runs already"
        queues = ["-Q", self._queues] if self._queues else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", self._app, "worker", *queues],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C on the tests is not one on the worker
            )

    def wait_ready(self, *, timeout_s: float = 30.0) -> None:
        """Return when a launched process consumes; raises as `start`."""
        self.wait_for_log(READY, timeout_s=timeout_s)

    def wait_for_log(self, text: str, *, count: int = 1, timeout_s: float = 30.0) -> None:
        """Return when the text stands in the log, as often as `count`.

        raises  WorkerFailed  the process ended first, or the time is over
        """
        deadline = time.monotonic() + timeout_s
        while self.log.count(text) < count:
            status = self._process.poll() if self._process else None
            if status is not None and self.log.count(text) < count:
                raise WorkerFailed(f"worker of {self._queues} ended with {status} before {text!r}:\n{self.log}")
            if time.monotonic() > deadline:
                raise WorkerFailed(f"worker of {self._queues}: no {text!r} in {timeout_s} s:\n{self.log}")
            time.sleep(0.05)

    def wait(self, *, timeout_s: float = 30.0) -> int:
        """The exit status, once the process has ended by itself.

        raises  WorkerFailed  it runs on
        """
        assert self._process is not None, "the worker was not started"
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise WorkerFailed(f"worker of {self._queues} did not end in {timeout_s} s:\n{self.log}") from None
        self._process = None
        return status

    def kill(self) -> None:
        """End it as a power cut would; nothing when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Hang it: RabbitMQ and Postgres keep its connections, and it answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, *, timeout_s: float = 30.0) -> int:
        """A warm stop, as the supervisor asks for it; returns the exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait(timeout_s=timeout_s)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if fault is not None:
            print(f"log of the worker of {self._queues}:\n{self.log}", file=sys.stderr)  # noqa: T201
        self.kill()
        self._log.unlink(missing_ok=True)
