"""The api's own server: admits connections, and sends each request to the application or to `streams`.

`api.request.strangers` limits the requests without a valid key.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from typing import Any, Protocol

import gevent
import structlog

from api.http.handoff import MAX_STREAM_BODY_BYTES, STREAM_PATHS
from api.http.server import MAX_CONNECTIONS, REQUEST_S, Connection, Server
from api.http.stream_places import StreamPlaces
from api.request.addresses import Proxies
from api.request.auth import Environ, Keys
from api.request.buckets import TokenBuckets
from api.request.strangers import Strangers, TooManyRequests
from api.request.traffic import Traffic
from api.wire.problems import Problem, raw_answer, unavailable

log = structlog.get_logger()

# Time for which the server still reads from a connection that it turns away [s].
TURN_AWAY_S = 0.5
# The server keeps this many of MAX_CONNECTIONS free by ending strangers' connections.
SPARE_CONNECTIONS = 1_000
# New connections of an address in a second, and at once after a pause [s]. Those that carry a valid key or go on to the
# streams do not count, and an address that has carried a valid key lately is not limited: its traders may need no
# connection that lasts [s].
NEW_CONNECTIONS_PER_S = 100
NEW_CONNECTIONS_AT_ONCE_S = 10.0
TRADER_LATELY_S = 60.0

_LAST_CHUNK = b"0\r\n\r\n"

_TOO_MANY_NEW = TooManyRequests("this address opens too many connections")
_TOO_LARGE = Problem(413, "body_too_large", f"a body for a stream must have at most {MAX_STREAM_BODY_BYTES:,} bytes")


class FastLane(Protocol):
    """Answers the requests with one method and path."""

    method: str
    path: str

    def answer(self, environ: Environ) -> tuple[str, Iterable[tuple[str, str]], bytes]:
        """Return the status line, the header fields and the body of the response."""
        ...


class ApiConnection(Connection):
    """A connection of the api; a request for a stream hands it over to `streams`."""

    #: Whether it has not carried a request with a valid key yet.
    is_new = True
    #: Whether the current request lacks a key that the api knows to be valid.
    of_stranger = False
    #: The turn of a stranger's request, until its response is sent.
    turn: ExitStack | None = None
    #: The greenlet that serves the connection.
    greenlet: gevent.Greenlet

    def handle(self) -> None:
        """Serve the connection, unless its address has too many."""
        self.greenlet = gevent.getcurrent()
        with self.server.admitted(self) as admitted:
            if admitted:
                super().handle()
            else:
                self.turn_away()

    def turn_away(self) -> None:
        """Answer 429 and end the connection before reading a request."""
        problem = TooManyRequests("this address has too many connections")
        self.server.turned_away("", problem)
        with suppress(OSError):
            self.socket.sendall(raw_answer(problem))
            self.socket.shutdown(socket.SHUT_WR)
            # Read a request that is on its way: closing the socket with unread data would discard the response.
            self.socket.settimeout(TURN_AWAY_S)
            self.socket.recv(65_536)
        self.rfile.close()
        self.socket.close()

    def prepare(self, environ: Environ) -> None:
        """Adopt the scheme that a proxy reports, and hash the key."""
        self.server.believe(environ)
        Keys.key_of(environ)

    def handle_one_response(self) -> None:
        """Admit a request, one without a valid key only within the limits of strangers."""
        strangers = self.server.strangers
        self.of_stranger = strangers is not None and strangers.is_stranger(self.environ)
        if not self.of_stranger:
            if self.is_new:
                self.server.keep(self)
            super().handle_one_response()
            return
        self.state = "waiting"
        self.deadline = math.inf
        try:
            strangers.require_leave(self.environ, stream=self.path.startswith(STREAM_PATHS))
        except Problem as problem:
            self._refuse_quietly(problem)
            return
        self.state = "reading"
        self.deadline = time.monotonic() + REQUEST_S
        super().handle_one_response()

    def serve(self, body: bytes, length: int) -> None:
        """Answer a request, or hand it over to `streams`."""
        strangers = self.server.strangers
        if self.path.startswith(STREAM_PATHS):
            self._serve_stream(body, length)
        elif not self.of_stranger:
            super().serve(body, length)
        else:
            try:
                if strangers.look_up(self.environ):
                    self.server.keep(self)
                    super().serve(body, length)
                else:
                    self._serve_stranger(body, length)
            except Problem as problem:
                self._refuse_quietly(problem)

    def _serve_stranger(self, body: bytes, length: int) -> None:
        with ExitStack() as self.turn:
            self.turn.enter_context(self.server.strangers.turn(self.environ))
            try:
                super().serve(body, length)
            finally:
                self.turn = None

    def respond(self) -> None:
        """Answer a request, on the fast lane if it has one."""
        lane = self.server.fast_lane
        if lane is None or self.path != lane.path or self.command != lane.method or self.request_version != "HTTP/1.1":
            super().respond()
            return
        # Only the head of a trader's request is worth remembering, and only on this route.
        self.remembers_head = not self.is_new
        try:
            answer = lane.answer(self.environ)
        except BaseException as fault:  # noqa: BLE001  # as pywsgi does: the connection ends, the server goes on
            self.handle_error(type(fault), fault, fault.__traceback__)
            return
        try:
            self.send(*answer)
        except OSError:
            self.close_connection = True  # the client has left

    # A client that reads slowly must hold up no stranger: nothing is sent during a turn.

    def send(self, status_line: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Send a whole response."""
        if self.turn is not None:
            self.turn.close()
            self.state = "sending"
        super().send(status_line, headers, body)

    def _sendall(self, data: bytes) -> None:
        turn = self.turn
        if turn is None:
            super()._sendall(data)
            return
        turn.close()
        self.state = "sending"
        super()._sendall(data)
        if self.provided_content_length is None and self.code not in (204, 304) and data != _LAST_CHUNK:
            # The application prepares the next part in another turn.
            self.state = "answering"
            turn.enter_context(self.server.strangers.turn(self.environ, within_s=math.inf))

    def expire(self) -> None:
        """End the connection."""
        waits = self.state == "waiting"
        super().expire()
        if waits:
            self.greenlet.kill(block=False)

    def _refuse_quietly(self, problem: Problem) -> None:
        self.server.turned_away(self.command, problem)
        with suppress(OSError):  # the client may have left during the delay of the refusal
            self.refuse(problem)

    def _serve_stream(self, body: bytes, length: int) -> None:
        if length > MAX_STREAM_BODY_BYTES:
            self.refuse(_TOO_LARGE)
        else:
            self._hand_over(body)

    def _hand_over(self, body: bytes) -> None:
        try:
            self.server.streams.hand_over(self.socket, self.path, self._request(body))
        except OSError as fault:
            log.warning("streams_away", fault=str(fault))
            self.refuse(unavailable("streams"))
            return
        self.server.forgive(self)  # the streams have limits of their own
        self.close_connection = True
        # Not a plain close: pywsgi first reads the rest from a socket, and that data belongs to `streams` now.
        os.close(self.socket.detach())
        self.socket = None

    def _request(self, body: bytes) -> bytes:
        """Return the complete request, for `streams` to serve from its start."""
        fields = [
            field
            for field in self.headers.headers
            if not field.startswith(("content-length:", "transfer-encoding:", "expect:"))
        ]
        if body:
            fields.append(f"content-length: {len(body)}")
        head = "\r\n".join([f"{self.command} {self.path} {self.request_version}", *fields, "", ""])
        return head.encode("latin-1") + body


class ApiServer(Server):
    """Serves the application of the api, and hands requests for streams over.

    streams             the processes `streams` of this host
    strangers           limits of requests without a valid key; None for no limits
    fast_lane           answers the requests of one route; None if the application answers all
    traffic             counts the requests that the server refuses by itself
    most_of_an_address  largest number of connections of an address
    anonymous_per_s     its requests in a second without a valid key: it may open as many connections
    """

    handler_class = ApiConnection
    #: Connections that are accepted before requests go on.
    max_accept = 16

    def __init__(
        self,
        listener: socket.socket,
        application: Any,
        *,
        max_body_bytes: int,
        streams: StreamPlaces,
        strangers: Strangers | None = None,
        proxies: Proxies | None = None,
        fast_lane: FastLane | None = None,
        traffic: Traffic | None = None,
        most_of_an_address: int = MAX_CONNECTIONS,
        anonymous_per_s: int = 0,
    ) -> None:
        self.streams = streams
        self.strangers = strangers
        self.fast_lane = fast_lane
        self._traffic = traffic
        self._proxies = proxies or Proxies([])
        self._most_of_an_address = most_of_an_address
        self._of_address: Counter[str] = Counter()
        per_s = max(anonymous_per_s, NEW_CONNECTIONS_PER_S)
        self._new = TokenBuckets(per_s=per_s, burst_s=NEW_CONNECTIONS_AT_ONCE_S)
        self._traders = TokenBuckets(per_s=1 / TRADER_LATELY_S, burst_s=TRADER_LATELY_S)  # full without any lately
        # Connections that have not carried a valid key, the oldest first.
        self._unknown: dict[ApiConnection, None] = {}
        super().__init__(listener, application, max_body_bytes=max_body_bytes)

    def do_handle(self, client: socket.socket, peer: Any) -> None:
        """Serve a new connection, unless its address opens too many: a flood of them must cost next to nothing."""
        address, limited = self._address(peer)
        if limited and self._new.wait_s(address) and self._traders.is_full(address):
            self.turned_away("", _TOO_MANY_NEW)
            _refuse_at_once(client, _TOO_MANY_NEW)
            return
        self._new.take(address)
        super().do_handle(client, peer)

    def _address(self, peer: Any) -> tuple[str, bool]:
        """Return the address of a peer in the form of the limits, and whether they apply to it."""
        host = str(peer[0]) if isinstance(peer, tuple) else ""
        return self._proxies.client(host, None), not self._proxies.trusts(host)  # a proxy stands for many clients

    @contextmanager
    def admitted(self, connection: ApiConnection) -> Iterator[bool]:
        """Count a connection for the duration of the block; yield whether it may be served."""
        address, limited = self._address(connection.client_address)
        if limited and self._of_address[address] >= self._most_of_an_address:
            yield False
            return
        self._of_address[address] += 1
        if len(self.connections) >= MAX_CONNECTIONS - SPARE_CONNECTIONS:
            self._end_strangers(1)
        self._unknown[connection] = None
        try:
            yield True
        finally:
            self._unknown.pop(connection, None)
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    def keep(self, connection: ApiConnection) -> None:
        """Protect a connection that has carried a valid key from being ended for lack of room."""
        if connection.is_new:
            connection.is_new = False
            self._unknown.pop(connection, None)
            self.forgive(connection)
            self._traders.take(self._address(connection.client_address)[0])

    def forgive(self, connection: ApiConnection) -> None:
        """Do not count a connection as a new one of a stranger."""
        self._new.give_back(self._address(connection.client_address)[0])

    def turned_away(self, method: str, problem: Problem) -> None:
        """Count a request that does not reach the application."""
        if self._traffic is not None:
            self._traffic.turned_away(method, problem.status, problem.code)

    def believe(self, environ: Environ) -> None:
        """Adopt the scheme that a trusted proxy reports for its client's connection."""
        scheme = environ.get("HTTP_X_FORWARDED_PROTO")
        if scheme in ("http", "https") and self._proxies.trusts(environ["REMOTE_ADDR"]):
            environ["wsgi.url_scheme"] = scheme

    def make_room(self) -> None:
        """End as many connections as are missing: none may have been idle when the last ones began."""
        if len(self.connections) > MAX_CONNECTIONS - SPARE_CONNECTIONS:
            left = sum(one.state != "expired" for one in self.connections)
            self._end_strangers(left - (MAX_CONNECTIONS - SPARE_CONNECTIONS))

    def _end_strangers(self, most: int) -> None:
        """End the oldest connections that have carried no valid key and for which the api does no work."""
        idle = (one for one in self._unknown if one.state not in ("answering", "expired"))
        for connection in list(islice(idle, max(most, 0))):
            del self._unknown[connection]
            connection.expire()


def _refuse_at_once(client: socket.socket, problem: Problem) -> None:
    """Send a problem and close, without waiting for anything."""
    client.setblocking(False)
    with suppress(OSError):
        client.send(raw_answer(problem))
        # Closing with unread data would discard the response.
        client.shutdown(socket.SHUT_WR)
        client.recv(65_536)
    client.close()
