"""A separate Redis that a test may stop and hang; the other tests share that of the run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import ConnectionError as NotThere

from tests.support.side_by_side import free_port

START_S = 60.0


class RedisServer:
    """`with RedisServer() as redis: ...` has it running inside the block, at `redis.url`."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Redis:
        """Return a new client."""
        return Redis.from_url(self.url)

    def start(self) -> None:
        """Start the server, and return when it answers."""
        assert self._process is None, "it runs already"
        command = ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.client.ping()
                return
            except NotThere:
                assert time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.05)

    def stop(self) -> None:
        """Kill the server; do nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Pause the server: its connections stay, and it does not answer."""
        assert self._process is not None, "it does not run"
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Resume the server."""
        assert self._process is not None, "it does not run"
        os.kill(self._process.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
