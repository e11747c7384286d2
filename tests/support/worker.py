"""A real Celery worker process that tests start, kill and restart.

Stages promise to survive the death of their process, so tests have to kill one; a worker thread inside the test
would share its fate. pytest-celery drives workers in containers; the worker here is one of its nodes, with a process
of ours instead of a container, so that the tests run wherever the exchange runs.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kombu import Connection
from pytest_celery import CeleryTestWorker
from pytest_docker_tools.exceptions import TimeoutError as DockerToolsTimeout

from bench import fork_server
from bench.fork_server import ROOT, ForkedProcess
from celery_app import app as exchange_app
from celery_app.topology import stage_of_queue
from deploy.database_users import USERS
from tests.support.broker import depth
from tests.support.databases import urls_of
from tests.support.exchange import Exchange

# Celery's own line, logged when the worker consumes for the first time.
READY = " ready."


class WorkerFailed(AssertionError):
    """The worker did not reach the expected state; the message ends with its log."""


class NotLogged(WorkerFailed, DockerToolsTimeout):
    """A text did not appear in the log in time; pytest-celery looks for its own kind of time-out."""


class WorkerProcess:
    """A worker process with the interface that pytest-celery's nodes require of a container.

    queues       what it consumes
    app          the module that Celery loads
    environment  of the process
    """

    def __init__(self, queues: tuple[str, ...], app: str, environment: Mapping[str, str]) -> None:
        self.name = "+".join(queues)
        self.id = socket.gethostname()
        # The supervisor's command imports less; only that of Celery loads another application.
        module = ["celery_app"] if app == "celery_app" else ["celery", "-A", app]
        self._command = [*module, "worker", *(["-Q", ",".join(queues)] * bool(queues))]
        self._environment = dict(environment)
        self._log = Path(tempfile.mkstemp(prefix=f"worker-{self.name}-", suffix=".log")[1])
        self._process: ForkedProcess | None = None

    @property
    def pid(self) -> int:
        """Return the process id; its pool is solo, so there is only one."""
        assert self._process is not None, "the worker was not started"
        return self._process.pid

    @property
    def status(self) -> str:
        """Return the status in Docker's words."""
        return "running" if self._process is not None and self._process.poll() is None else "exited"

    @property
    def celeryconfig(self) -> dict[str, Any]:
        """Return the configuration of its application."""
        return dict(exchange_app.conf)

    def worker_name(self) -> str:
        """Return the worker's name, made of its queues and its process."""
        return f"{self.name}-{self.pid}"

    def worker_queue(self) -> str:
        """Return the queue that it consumes."""
        return self.name

    def start(self) -> None:
        """Start the process and return at once."""
        assert self.status != "running", "the worker runs already"
        self._log.write_bytes(b"")
        self._process = fork_server.start(*self._command, environment=self._environment, log=self._log)

    def ready(self) -> bool:
        """Return whether it consumes."""
        return READY in self.logs()

    def logs(self) -> str:
        """Return the log of the process since its last start."""
        return self._log.read_text(errors="replace")

    def exit_status(self) -> int | None:
        """Return the exit status of the process; None while it runs."""
        return self._process.poll() if self._process is not None else None

    def wait(self, *, timeout_s: float) -> int:
        """Wait for the process to end, and return its exit status; raises subprocess.TimeoutExpired."""
        assert self._process is not None, "the worker was not started"
        status = self._process.wait(timeout_s)
        self._process = None
        return status

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send a signal that ends the process, and wait until it has."""
        os.kill(self.pid, _number(signal))
        self.wait(timeout_s=120)

    def restart(self, timeout: float = 30) -> None:
        """Stop the process warmly, and start another one."""
        if self.status == "running":
            self.kill("SIGTERM")
        self.start()

    def reload(self) -> None:
        """Do nothing: unlike that of a container, the state of a process is not cached."""

    def teardown(self) -> None:
        """Stop the process and remove its files."""
        if self.status == "running":
            self.kill()
        self._log.unlink(missing_ok=True)


class Worker(CeleryTestWorker):
    """One worker of a stage: `with Worker("matching.0") as worker: ...` lets it consume inside the block.

    From pytest-celery's node come kill, restart, logs, assert_log_exists, assert_log_does_not_exist and more.

    app          the module that Celery loads; a worker of one stage of the exchange is that stage's user in Postgres
    environment  variables on top of those of the test
    """

    container: WorkerProcess

    def __init__(self, *queues: str, app: str = "celery_app", environment: Mapping[str, str] | None = None) -> None:
        stages = set(map(stage_of_queue, queues))
        of_one_stage = len(stages) == 1 and stages <= set(USERS) and app == "celery_app"
        user = urls_of(stages.pop()) if of_one_stage else {}
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **user, **(environment or {})}
        super().__init__(WorkerProcess(queues, app, variables), exchange_app)

    @property
    def log(self) -> str:
        """Return the log of the process since its last start."""
        return self.logs()

    @property
    def pid(self) -> int:
        """The process."""
        return self.container.pid

    def hostname(self) -> str:
        """Return its name in Celery."""
        return f"{self.worker_name}@{self.container.id}"

    def start(self, *, timeout_s: float = 120.0) -> Self:
        """Start the process and return when it consumes.

        raises  WorkerFailed  it ended or was not ready in time
        """
        self.launch()
        self.wait_ready(timeout_s=timeout_s)
        return self

    def launch(self) -> None:
        """Start the process and return at once."""
        self.container.start()

    def wait_ready(self, *, timeout_s: float = 120.0) -> None:
        """Return when a launched process consumes; raises as `start`."""
        self.wait_for_log(READY, timeout=timeout_s)

    def wait_for_log(self, log: str, message: str = "", timeout: float = 120.0, *, count: int = 1) -> None:
        """Wait until a text is in the log, `count` times.

        timeout  [s]
        raises   WorkerFailed  the process ended first
                 NotLogged     the text did not appear in time
        """
        deadline = time.monotonic() + timeout
        while self.logs().count(log) < count:
            status = self.container.exit_status()
            if status is not None and self.logs().count(log) < count:
                raise WorkerFailed(self._said(f"ended with {status} before {log!r}"))
            if time.monotonic() > deadline:
                raise NotLogged(self._said(message or f"no {log!r} in {timeout} s"))
            time.sleep(0.05)

    def wait(self, *, timeout_s: float = 120.0) -> int:
        """Wait until the process ends by itself, and return its exit status.

        raises  WorkerFailed  it keeps running
        """
        try:
            return self.container.wait(timeout_s=timeout_s)
        except subprocess.TimeoutExpired:
            raise WorkerFailed(self._said(f"did not end in {timeout_s} s")) from None

    def pause(self) -> None:
        """Pause the process: RabbitMQ and Postgres keep its connections, and it does not answer."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Resume a paused process."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, *, timeout_s: float = 120.0) -> int:
        """Stop the process warmly, as the supervisor does, and return its exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait(timeout_s=timeout_s)

    def _said(self, what: str) -> str:
        return f"worker of {self.name()} {what}:\n{self.logs()}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if fault is not None:
            print(f"log of the worker of {self.name()}:\n{self.logs()}", file=sys.stderr)  # noqa: T201
        self.teardown()


@contextmanager
def delivered_together(worker: Worker, broker: Connection, queue: str) -> Iterator[None]:
    """Pause a worker until RabbitMQ has delivered what the block sends, so that it finds all of it at its next look."""
    worker.pause()
    yield
    Exchange.wait_until(lambda: depth(broker, queue) == 0, "RabbitMQ has sent all messages to the worker")
    worker.resume()


def _number(name_or_number: str | int) -> int:
    return signal.Signals[name_or_number] if isinstance(name_or_number, str) else name_or_number
