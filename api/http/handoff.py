"""Hand the connections of streams over from the api to the process `streams`.

A WebSocket shares the api's port, but its work must not delay orders. So the api reads the request and passes it on
together with the socket itself, as SCM_RIGHTS over a Unix socket, and drops its own descriptor: from then on the client
talks to `streams`, and none of its bytes goes through the api. A hand-over is one connection to the Unix socket: the
descriptor with the request as HTTP, then the end.

A response of `streams` ends the client's connection, so that no later request can reach the wrong process.
"""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path
from typing import Any

from api.http.server import Connection, Server

STREAM_PATHS = ("/stream/", "/socket.io/")

# Largest body of a request for a stream; Socket.IO posts a few hundred bytes.
MAX_STREAM_BODY_BYTES = 65_536
HAND_OVER_S = 2.0


# -- the api's side ------------------------------------------------------------------------------------------------


def send(address: Path, client: socket.socket, request: bytes) -> None:
    """Hand a client's socket over. Raises OSError when no process accepts it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.settimeout(HAND_OVER_S)
        way.connect(str(address))
        sent = socket.send_fds(way, [request], [client.fileno()])
        way.sendall(request[sent:])


# -- the side of streams -------------------------------------------------------------------------------------------


class StreamConnection(Connection):
    """A connection that the api has handed over: one request, or a WebSocket until it closes."""

    def input_of(self, body: bytes) -> Any:
        """Return the input of a request; a WebSocket takes the socket itself from it."""
        return self.rfile if self._connection_upgrade_requested() else super().input_of(body)

    def serve(self, body: bytes, length: int) -> None:
        """Answer the one request that came with the connection."""
        super().serve(body, length)
        self.close_connection = True

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Announce the end of the connection in the response."""
        return super().start_response(status, [*headers, ("Connection", "close")], exc_info)


class StreamsServer(Server):
    """Serves an application on the connections that the api hands over."""

    handler_class = StreamConnection

    def __init__(self, listener: socket.socket, application: Any) -> None:
        super().__init__(listener, application, max_body_bytes=MAX_STREAM_BODY_BYTES)

    def finish(self) -> None:
        """Stop at once: a stream does not end by itself, and its client reconnects."""
        super().finish()
        for connection in list(self.connections):
            connection.expire()

    def handle(self, way: socket.socket, _address: object) -> None:
        """Accept one connection from the api and serve it."""
        with way:
            way.settimeout(HAND_OVER_S)
            client, request = _receive(way)
        if client is None:
            return  # a probe, see is_taken
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
    """Reads first the bytes that the api has already read from a client, then from the client itself.

    simple-websocket expects the socket of a request from pywsgi under the name `_sock`.
    """

    def __init__(self, client: socket.socket, request: bytes) -> None:
        self._sock = client
        self._request = memoryview(request)

    def readable(self) -> bool:
        """Return True: the stream is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with the available bytes; return 0 at the end."""
        if not self._request:
            return self._sock.recv_into(buffer)
        part = self._request[: len(buffer)]
        buffer[: len(part)] = part
        self._request = self._request[len(part) :]
        return len(part)


def listen_for_connections(address: Path) -> socket.socket:
    """Open the Unix socket on which `streams` accepts connections; only this user may connect.

    raises  OSError  another process accepts them already, or the directory is not writable
    """
    address.parent.mkdir(parents=True, exist_ok=True)
    if is_taken(address):
        raise OSError("another process serves the streams already")
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
    """Return whether a process accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.settimeout(HAND_OVER_S)
        try:
            way.connect(str(address))
        except OSError:
            return False
    return True
