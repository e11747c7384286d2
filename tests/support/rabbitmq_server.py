"""A separate RabbitMQ that a test may stop, hang and put into an alarm; the other tests share that of the run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.places import Instance
from deploy.local.ports import is_free
from deploy.local.services import answers, own
from deploy.local.services.own import RABBITMQ

_CONTROL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
START_S, STOP_S = 60.0, 120.0


class RabbitMQServer:
    """`with RabbitMQServer() as rabbitmq: ...` has it running inside the block, at `rabbitmq.url`.

    defined  whether it imports the users, queues and routes of the exchange at each start, as that of `make up` does
    """

    def __init__(self, *, defined: bool = False) -> None:
        self._instance = Instance(Path(tempfile.mkdtemp(prefix="rabbitmq-")))
        services = own.prepare(self._instance, [RABBITMQ], running=False, defined=defined)
        self.passwords = services.roles
        self.url = services.url_of(RABBITMQ)
        self._epmd_program, self._program = services.all_programs
        self._epmd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and return when it answers."""
        assert self._process is None, "it runs already"
        self._process = self._run(self._program.command)
        answers.wait(RABBITMQ, self.url, still_up=self._require)

    def _run(self, command: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(command),  # type: ignore[call-overload]
            env={**os.environ, **self._program.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that all processes its start script has started get its signals
        )

    def _require(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, "RabbitMQ ended"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the server and wait until it has ended; do nothing if it does not run."""
        if self._process is not None:
            os.killpg(self._process.pid, number)
            self._process.wait(STOP_S)
            self._process = None

    def lose_data(self) -> None:
        """Delete its folder, and write its configuration again, as `make up` does."""
        assert self._process is None, "it runs"
        shutil.rmtree(self._instance.directory / "rabbitmq" / "data")

    def pause(self) -> None:
        """Pause the server: its connections stay, and it does not answer."""
        assert self._process is not None, "it does not run"
        os.killpg(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Resume the server."""
        assert self._process is not None, "it does not run"
        os.killpg(self._process.pid, signal.SIGCONT)

    def control(self, *words: str) -> None:
        """Run rabbitmqctl."""
        subprocess.run(
            [_CONTROL, "--quiet", *words],
            env={**os.environ, **self._program.environment},
            check=True,
            capture_output=True,
            timeout=60,
        )

    def __enter__(self) -> Self:
        self._epmd = self._run(self._epmd_program.command)
        deadline = time.monotonic() + START_S
        while is_free(int(self._epmd_program.command[-1])):  # RabbitMQ would start an epmd that outlives it
            assert self._epmd.poll() is None, "epmd ended"
            assert time.monotonic() < deadline, "epmd does not listen"
            time.sleep(0.02)
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.stop(signal.SIGKILL)
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
        shutil.rmtree(self._instance.directory)
