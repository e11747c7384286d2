"""Hands the connections of streams from the api to the process `streams`.

A WebSocket shares the api's port, but what it costs must not hold up orders. So the api reads the request and passes
it on together with the socket itself, as SCM_RIGHTS over a Unix socket, and forgets the socket without a farewell:
from then on the client talks to `streams`, and not one of its bytes goes through the api. A hand-over is one
connection to the Unix socket: the descriptor with the request as HTTP, then the end.

What `streams` answers ends the client's connection, so that no later request can go to the wrong process.
"""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path
from typing import Any

from api.http.server import Connection, Server

STREAM_PATHS = ("/stream/", "/socket.io/")

# Largest body that is handed over: Socket.IO posts a few hundred bytes.
MAX_STREAM_BODY_BYTES = 65_536
HAND_OVER_S = 2.0


def streams_socket(run_directory: Path) -> Path:
    """Where `streams` takes the connections."""
    return run_directory / "streams.sock"


# -- the api's side ------------------------------------------------------------------------------------------------


def send(address: Path, client: socket.socket, request: bytes) -> None:
    """Hand a client's socket over; raises OSError when nobody takes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.settimeout(HAND_OVER_S)
        way.connect(str(address))
        sent = socket.send_fds(way, [request], [client.fileno()])
        way.sendall(request[sent:])


# -- the side of streams -------------------------------------------------------------------------------------------


class StreamConnection(Connection):
    """A connection that the api has handed over: one request, or a WebSocket for as long as it lives."""

    def input_of(self, body: bytes) -> Any:
        """A WebSocket takes the socket itself out of its request's input."""
        return self.rfile if self._connection_upgrade_requested() else super().input_of(body)

    def serve(self, body: bytes, length: int) -> None:
        """Answer the one request that came with the connection."""
        super().serve(body, length)
        self.close_connection = True

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Let the answer say that it ends the connection."""
        return super().start_response(status, [*headers, ("Connection", "close")], exc_info)


class StreamsServer(Server):
    """Serves an application on the connections that are handed over."""

    handler_class = StreamConnection

    def __init__(self, listener: socket.socket, application: Any) -> None:
        super().__init__(listener, application, max_body_bytes=MAX_STREAM_BODY_BYTES)

    def finish(self) -> None:
        """End at once: a stream has no end of its own to wait for, and its client comes back by itself."""
        super().finish()
        for connection in list(self.connections):
            connection.expire()

    def handle(self, way: socket.socket, _address: object) -> None:
        """Take one connection over and serve it."""
        with way:
            way.settimeout(HAND_OVER_S)
            client, request = _receive(way)
        if client is None:
            return  # a look whether anybody is here
        with client:
            replayed = io.BufferedReader(_ReplayStream(client, request))
            self.handler_class(client, client.getpeername(), self, replayed).handle()


def _receive(way: socket.socket) -> tuple[socket.socket | None, bytes]:
    request, descriptors, _, _ = socket.recv_fds(way, MAX_STREAM_BODY_BYTES, 1)
    client = socket.socket(fileno=descriptors[0]) if descriptors else None
    while part := way.recv(MAX_STREAM_BODY_BYTES):
        request += part
    return client, request


class _ReplayStream(io.RawIOBase):
    """What the api has read from a client already, then what the client sends.

    Under the name `_sock` simple-websocket looks for the socket of a request that pywsgi serves.
    """

    def __init__(self, client: socket.socket, request: bytes) -> None:
        self._sock = client
        self._request = memoryview(request)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what there is; 0 at the end."""
        if not self._request:
            return self._sock.recv_into(buffer)
        part = self._request[: len(buffer)]
        buffer[: len(part)] = part
        self._request = self._request[len(part) :]
        return len(part)


def listen_for_connections(address: Path) -> socket.socket:
    """The Unix socket at which `streams` takes connections, open for nobody but this user.

    raises  OSError  another process takes them already, or the directory cannot be written
    """
    address.parent.mkdir(parents=True, exist_ok=True)
    if is_taken(address):
        raise OSError("another process takes the streams already")
    address.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(address))
    finally:
        os.umask(before)
    listener.listen(128)
    return listener


def is_taken(address: Path) -> bool:
    """Whether a process takes connections there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.settimeout(HAND_OVER_S)
        try:
            way.connect(str(address))
        except OSError:
            return False
    return True
