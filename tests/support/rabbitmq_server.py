"""A RabbitMQ of a test's own, to stop, to hang and to put into an alarm; that of the run serves the other tests."""

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

    defined  whether it knows the users, queues and routes of the exchange at each start, as that of `make up`
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
        """Start it, and return when it answers."""
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
            start_new_session=True,  # all that a script of its own has started gets its signals
        )

    def _require(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, "RabbitMQ ended"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait until it has; nothing when it does not run."""
        if self._process is not None:
            os.killpg(self._process.pid, number)
            self._process.wait(STOP_S)
            self._process = None

    def lose_data(self) -> None:
        """Delete its folder; what it is started with is written again, as by `make up`."""
        assert self._process is None, "it runs"
        shutil.rmtree(self._instance.directory / "rabbitmq" / "data")

    def pause(self) -> None:
        """Hang it: its connections stay, and it answers nothing."""
        assert self._process is not None, "it does not run"
        os.killpg(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None, "it does not run"
        os.killpg(self._process.pid, signal.SIGCONT)

    def control(self, *words: str) -> None:
        """What rabbitmqctl does."""
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
        while is_free(int(self._epmd_program.command[-1])):  # RabbitMQ would start one that outlives it
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
