"""The streams in a process of their own, and clients for them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import engineio
import psutil
import socketio
from websocket import WebSocket, WebSocketConnectionClosedException, WebSocketTimeoutException, create_connection

from bench import fork_server
from bench.fork_server import ROOT, ForkedProcess
from tests.support.databases import urls_of
from tests.support.side_by_side import free_port

START_S = 120.0


class Streams:
    """`with Streams() as streams: ...` serves them inside the block.

    constants  new values of modules' constants, by their full names
    """

    def __init__(
        self, *, environment: Mapping[str, str] | None = None, constants: Mapping[str, object] | None = None
    ) -> None:
        self._constants = json.dumps(dict(constants or {}))
        self.port = free_port()
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **urls_of("streams"), **(environment or {})}
        self._log = Path(tempfile.mkstemp(prefix="streams-", suffix=".log")[1])
        self._process: ForkedProcess | None = None

    @property
    def log(self) -> str:
        """Return the whole log of the process."""
        return self._log.read_text(errors="replace")

    @property
    def runs(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def raw(self, path: str, **options: Any) -> WebSocket:
        """Open a raw WebSocket."""
        return create_connection(f"ws://127.0.0.1:{self.port}{path}", timeout=10, **options)

    def socketio(
        self,
        auth: object = None,
        *,
        transports: tuple[str, ...] = ("websocket",),
        fields: Mapping[str, str] | None = None,
    ) -> SocketIOClient:
        """Connect a Socket.IO client; `fields` are header fields of its requests."""
        return SocketIOClient(f"http://127.0.0.1:{self.port}", auth, transports, fields)

    @property
    def memory_bytes(self) -> int:
        """Return the resident memory of the process."""
        assert self._process is not None
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def start(self) -> None:
        """Start the process, also after a kill, and return when it listens."""
        self._process = fork_server.start(
            "tests.support.streams_server",
            str(self.port),
            self._constants,
            environment=self._environment,
            log=self._log,
            loaded="web",
        )
        wait_until(self._is_listening, timeout_s=START_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def _is_listening(self) -> bool:
        assert self.runs, self.log
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if fault is not None:
            print(f"log of the streams:\n{self.log}", file=sys.stderr)  # noqa: T201
        if self._process is not None:
            self.kill()
        self._log.unlink(missing_ok=True)


class Refused(Exception):
    """The server refused a Socket.IO client; holds the problem that it gave."""


class _EngineInOrder(engineio.Client):
    """Handles messages in order: python-engineio uses a thread for each, and one may overtake another."""

    def _trigger_event(self, event: str, *args: Any, **how: Any) -> Any:
        return super()._trigger_event(event, *args, **(how | {"run_async": False}))


class _ClientInOrder(socketio.Client):
    """Receives events in the order in which they were sent."""

    def _engineio_client_class(self) -> type[engineio.Client]:
        return _EngineInOrder


class SocketIOClient:
    """A client that keeps every event it receives."""

    def __init__(
        self, address: str, auth: object, transports: tuple[str, ...], fields: Mapping[str, str] | None = None
    ) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._client = _ClientInOrder(reconnection=False)
        self._client.on("*", lambda name, content: self.events.append((name, content)))
        refusals: list[dict[str, Any]] = []
        self._client.on("connect_error", refusals.append)
        try:
            self._client.connect(address, dict(fields or {}), auth=auth, transports=list(transports), wait_timeout=10)
        except socketio.exceptions.ConnectionError as refusal:
            raise Refused(refusals) from refusal

    @property
    def connected(self) -> bool:
        """Return whether the connection is still open."""
        return bool(self._client.connected)

    def ask(self, event: str, *sent: object) -> dict[str, Any]:
        """Emit an event, and return its acknowledgement."""
        answer: dict[str, Any] = self._client.call(event, sent if len(sent) != 1 else sent[0], timeout=10)
        return answer

    def emit(self, event: str, sent: object) -> None:
        """Emit an event without waiting."""
        self._client.emit(event, sent)

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return the events of this name so far."""
        return [content for event, content in list(self.events) if event == name]

    def wait_for(self, name: str, count: int = 1, *, timeout_s: float = 60.0) -> list[dict[str, Any]]:
        """Wait until there are this many events of a name, and return them."""
        wait_until(lambda: len(self.of(name)) >= count, timeout_s=timeout_s)
        return self.of(name)

    def close(self) -> None:
        """Close the connection."""
        self._client.disconnect()


def read(websocket: WebSocket) -> dict[str, Any]:
    """Return the next message."""
    message: dict[str, Any] = json.loads(websocket.recv())
    return message


def read_all(websocket: WebSocket, *, silence_s: float = 0.5) -> list[dict[str, Any]]:
    """Return the messages until no more arrive."""
    websocket.settimeout(silence_s)
    messages = []
    try:
        while True:
            messages.append(read(websocket))
    except WebSocketTimeoutException:
        return messages


def read_until_cut_off(websocket: WebSocket) -> None:
    """Read until the server ends the connection; raises WebSocketTimeoutException if it does not."""
    try:
        while True:
            websocket.recv()
    except (WebSocketConnectionClosedException, ConnectionError):
        return


def wait_until(done: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
    """Wait until the condition holds; raises AssertionError if it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
