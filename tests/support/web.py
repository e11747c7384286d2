"""The api as a real process that tests start, kill and query."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import requests

from bench import fork_server
from bench.fork_server import ROOT, ForkedProcess
from tests.support.databases import urls_of
from tests.support.side_by_side import free_port


class WebProcess:
    """`python -m module` with variables on top of those of the test."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self._module = module
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self._log = Path(tempfile.mkstemp(prefix=f"{module}-", suffix=".log")[1])
        self._process: ForkedProcess | None = None

    @property
    def log(self) -> str:
        """Return its whole log."""
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def connections(self) -> int:
        """Return how many TCP connections it has open, in either direction."""
        return len([one for one in psutil.Process(self.pid).net_connections("tcp") if one.status == "ESTABLISHED"])

    def start(self, ready: str, *, timeout_s: float = 120.0) -> None:
        """Start the process, and return when its log says that it is ready."""
        self._log.write_bytes(b"")
        self._process = fork_server.start(self._module, environment=self._environment, log=self._log, loaded="web")
        deadline = time.monotonic() + timeout_s
        while ready not in self.log:
            assert self._process.poll() is None, f"{self._module} ended:\n{self.log}"
            assert time.monotonic() < deadline, f"{self._module} is not ready:\n{self.log}"
            time.sleep(0.02)

    def end(self, number: signal.Signals = signal.SIGKILL, *, timeout_s: float = 60.0) -> int:
        """End the process with a signal, and return its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout_s)


class Api:
    """A running api, and requests to it."""

    def __init__(self, process: WebProcess, port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, *, key: str | None = None, **more: Any) -> requests.Response:
        """Send one request on a new connection. `json` and `data` are those of requests."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers |= more.pop("headers", {})
        return requests.request(method, self.url + path, headers=headers, timeout=20, **more)

    def raw(self, request: bytes, *, timeout_s: float = 10.0) -> bytes:
        """Send raw bytes, and return what arrives until the connection ends or is silent for a while."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.settimeout(timeout_s)
            client.sendall(request)
            received = b""
            try:
                while part := client.recv(65_536):
                    received += part
            except TimeoutError:
                received += b"<still open>"
            return received


@contextmanager
def running_api(environment: Mapping[str, str] | None = None, *, module: str = "api") -> Iterator[Api]:
    """Run an api on a port of its own inside the block, as its user in Postgres."""
    port = free_port()
    process = WebProcess(module, {"API_PORT": str(port), **urls_of("api"), **(environment or {})})
    process.start("api_listens")
    try:
        yield Api(process, port)
    finally:
        process.end()


def problem(answer: requests.Response) -> dict[str, Any]:
    """Return the problem in an answer, after checking its form."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    members: dict[str, Any] = msgspec.json.decode(answer.content)
    assert members["status"] == answer.status_code
    assert {"type", "title", "detail", "code", "request_id"} <= members.keys()
    return members
