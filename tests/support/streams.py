"""The application of the streams in a process of its own, and clients of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
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

from tests.support.databases import urls_of
from tests.support.side_by_side import free_port

ROOT = Path(__file__).parents[2]
START_S = 120.0

_PROGRAM = """
from gevent import monkey
monkey.patch_all()
from psycogreen.gevent import patch_psycopg
patch_psycopg()
import sys
import importlib, json
from gevent.pywsgi import WSGIServer
from api.streams.app import create_app
for name, constant in json.loads(sys.argv[2]).items():
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute), name
    setattr(importlib.import_module(module), attribute, constant)
from celery_app import logs
logs.configure()
WSGIServer(("127.0.0.1", int(sys.argv[1])), create_app(), log=None).serve_forever()
"""


class Streams:
    """`with Streams() as streams: ...` has them served inside the block.

    constants  of modules, by their full names, that are to have other values
    """

    def __init__(
        self, *, environment: Mapping[str, str] | None = None, constants: Mapping[str, object] | None = None
    ) -> None:
        self._constants = json.dumps(dict(constants or {}))
        self.port = free_port()
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **urls_of("streams"), **(environment or {})}
        self._log = Path(tempfile.mkstemp(prefix="streams-", suffix=".log")[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """All that the process has logged."""
        return self._log.read_text(errors="replace")

    @property
    def runs(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    def raw(self, path: str, **options: Any) -> WebSocket:
        """A raw WebSocket."""
        return create_connection(f"ws://127.0.0.1:{self.port}{path}", timeout=10, **options)

    def socketio(
        self,
        auth: object = None,
        *,
        transports: tuple[str, ...] = ("websocket",),
        fields: Mapping[str, str] | None = None,
    ) -> SocketIOClient:
        """A connected Socket.IO client; `fields` are those of the header of its requests."""
        return SocketIOClient(f"http://127.0.0.1:{self.port}", auth, transports, fields)

    @property
    def memory_bytes(self) -> int:
        """What the process has in memory."""
        assert self._process is not None
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def start(self) -> None:
        """Start it, again after it was killed, and return when it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(self.port), self._constants],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
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
    """The server did not let a Socket.IO client in; with the problem it gave."""


class _EngineInOrder(engineio.Client):
    """python-engineio has a thread for each message, and one of them may overtake another."""

    def _trigger_event(self, event: str, *args: Any, **how: Any) -> Any:
        return super()._trigger_event(event, *args, **(how | {"run_async": False}))


class _ClientInOrder(socketio.Client):
    """Hears what was said in the order in which it was."""

    def _engineio_client_class(self) -> type[engineio.Client]:
        return _EngineInOrder


class SocketIOClient:
    """A client that keeps every event it gets."""

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
        """Whether the server has not ended the connection."""
        return bool(self._client.connected)

    def ask(self, event: str, *sent: object) -> dict[str, Any]:
        """Emit, and return the acknowledgement."""
        answer: dict[str, Any] = self._client.call(event, sent if len(sent) != 1 else sent[0], timeout=10)
        return answer

    def emit(self, event: str, sent: object) -> None:
        """Emit, and wait for nothing."""
        self._client.emit(event, sent)

    def of(self, name: str) -> list[dict[str, Any]]:
        """The events of a name so far."""
        return [content for event, content in list(self.events) if event == name]

    def wait_for(self, name: str, count: int = 1, *, timeout_s: float = 60.0) -> list[dict[str, Any]]:
        """The events of a name, once there are so many."""
        wait_until(lambda: len(self.of(name)) >= count, timeout_s=timeout_s)
        return self.of(name)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()


def read(websocket: WebSocket) -> dict[str, Any]:
    """The next message."""
    message: dict[str, Any] = json.loads(websocket.recv())
    return message


def read_all(websocket: WebSocket, *, silence_s: float = 0.5) -> list[dict[str, Any]]:
    """The messages until there is silence."""
    websocket.settimeout(silence_s)
    messages = []
    try:
        while True:
            messages.append(read(websocket))
    except WebSocketTimeoutException:
        return messages


def read_until_cut_off(websocket: WebSocket) -> None:
    """Return when the server has ended the connection; WebSocketTimeoutException when it does not."""
    try:
        while True:
            websocket.recv()
    except (WebSocketConnectionClosedException, ConnectionError):
        return


def wait_until(done: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
    """Return when it is done; AssertionError when it is not in time."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
