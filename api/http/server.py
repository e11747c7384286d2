"""HTTP for the api: one request after the other from each connection, within limits of size and time.

Built on gevent.pywsgi. Measured with a minimal Flask POST over 64 kept connections: 155 us of CPU a request, 195 us
in gunicorn's gevent worker, whose parser is Python unless a C extension is compiled at the place of installation.
There is one process less besides: what ends is started again by the supervisor of all processes. What gunicorn checks
better, the head of a request, is checked here; and here the socket itself is at hand, which the streams need.

A connection that dribbles costs a greenlet until its time is over, and nobody else anything: a request is read
completely before the application sees it.
"""

from __future__ import annotations

import math
import socket
import time
from contextlib import suppress
from io import BytesIO
from typing import Any, BinaryIO, Literal

import gevent
import structlog
from gevent.pool import Pool
from gevent.pywsgi import Input, WSGIHandler, WSGIServer

from api.http.head import NOT_HTTP, BadHead, HeaderFields
from api.request import time_limit
from api.wire.problems import Problem, raw_answer

log = structlog.get_logger()

# How long a connection may rest between requests, how long all of one request may take to arrive, and how long an
# answer may take to leave [s].
IDLE_S = 75.0
REQUEST_S = 10.0
ANSWER_S = 30.0
# What a refused body may still send before the connection is cut, so that its client gets to read the refusal.
MAX_DROPPED_BYTES = 16_777_216
MAX_CONNECTIONS = 10_000
# How long requests may take to end at a stop [s].
STOP_S = 6.0

_URI_TOO_LONG = Problem(414, "uri_too_long", "the first line of a request has at most 8,192 bytes")
_TIMED_OUT = Problem(408, "request_timeout", f"a request has to arrive within {REQUEST_S:.0f} s")
_FAILED = Problem(500, "internal_error", "the exchange made a mistake; it is in its log under the request id")

# Of what the application has left of a body pywsgi reads the rest, but all of it was read before.
_NOTHING_LEFT = Input(None, None)

State = Literal["resting", "reading", "answering", "expired"]


class Connection(WSGIHandler):
    """One connection of a client, from its first request to its last."""

    #: What is going on; the client's time is measured but while the application works on its answer.
    state: State = "resting"
    #: When the client's time is over; the server's watch looks at it [s, monotonic].
    deadline = math.inf
    #: Why the head was refused.
    _refusal: Problem | None = None
    #: None when the connection has been handed over to another process.
    socket: Any

    # -- reading -----------------------------------------------------------------------------------------------

    def handle(self) -> None:
        """Serve the connection until it ends."""
        self.server.connections.add(self)
        try:
            super().handle()
        except OSError:
            log.debug("connection_lost")  # which is the client's right
        finally:
            self.server.connections.discard(self)

    def handle_one_request(self) -> Any:
        """Wait for a request and serve it; pywsgi says what is returned."""
        self.state = "resting"
        self.deadline = time.monotonic() + IDLE_S
        try:
            if self.server.stopping or not self.rfile.peek(1):
                return None
        except OSError:
            return None
        self.state = "reading"
        self.deadline = time.monotonic() + REQUEST_S
        goes_on = super().handle_one_request()
        if isinstance(goes_on, tuple) and self._in_time():
            self.refuse(self._refusal or _URI_TOO_LONG)
        return goes_on if goes_on is True and self._in_time() else None

    def _in_time(self) -> bool:
        return self.state != "expired"

    def MessageClass(self, rfile: BinaryIO, _seekable: int) -> HeaderFields:  # noqa: N802  # pywsgi's name
        """Read the header fields."""
        return HeaderFields(rfile, host_needed=self.request_version == "HTTP/1.1")

    def handle_one_response(self) -> None:
        """Read the body and let the application answer."""
        try:
            body, length = self._read_body()
        except (OSError, ValueError):
            # The client went away, ran out of time, or sent chunks that are none: what follows is not to be trusted.
            self.close_connection = True
            if self._in_time():
                self.refuse(NOT_HTTP)
            return
        self.state = "answering"
        self.deadline = math.inf
        time_limit.begin()
        self.serve(body, length)

    def serve(self, body: bytes, length: int) -> None:
        """Answer a request; of a body that is longer than the limit, only the length is given to the application."""
        self.environ["wsgi.input"] = self.input_of(body)
        self.environ["CONTENT_LENGTH"] = str(length)
        self.wsgi_input = _NOTHING_LEFT
        unread = length > self.server.max_body_bytes
        if unread:
            # Said in the answer, or a client would send its next request behind a body that nobody reads.
            self.close_connection = True
        super().handle_one_response()
        if unread:
            self._drop_rest()

    def input_of(self, body: bytes) -> Any:
        """What the application reads the body from."""
        return BytesIO(body)

    def _read_body(self) -> tuple[bytes, int]:
        """The body and its length; one that is longer than the limit is not read to its end."""
        limit = self.server.max_body_bytes
        length = self.content_length
        if length is None and "HTTP_TRANSFER_ENCODING" not in self.environ:
            return b"", 0
        if length is not None and length > limit:
            return b"", length
        body: bytes = self.wsgi_input.read(limit + 1)
        return body, len(body)

    def _drop_rest(self) -> None:
        """Read on for a while: closing at once would take the answer away from a client that still sends."""
        self.deadline = time.monotonic() + REQUEST_S
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            dropped = 0
            while dropped < MAX_DROPPED_BYTES and (rest := self.rfile.read1(65_536)):
                dropped += len(rest)

    def refuse(self, problem: Problem) -> None:
        """Answer with a problem, without the application, and end the connection."""
        self.state = "answering"
        self.close_connection = True
        self.socket.sendall(raw_answer(problem))
        self._drop_rest()

    def expire(self) -> None:
        """End the connection because the client's time is over; called by the watch."""
        was, self.state = self.state, "expired"
        with suppress(OSError):
            if was == "reading":
                self.socket._sock.send(raw_answer(_TIMED_OUT))  # noqa: SLF001  # the watch waits for nobody
            self.socket.shutdown(socket.SHUT_RDWR)

    # -- writing -----------------------------------------------------------------------------------------------

    def _write_with_headers(self, data: bytes) -> None:
        """Send head and body together: pywsgi sends two packets, and the second waits for the first one's ack."""
        self.headers_sent = True
        self.finalize_headers()
        head = b"".join([b"%b: %b\r\n" % field for field in self.response_headers])
        if self.server.stopping:
            self.close_connection = True
        if self.close_connection and not any(name.lower() == b"connection" for name, _ in self.response_headers):
            head += b"Connection: close\r\n"
        self.deadline = time.monotonic() + ANSWER_S
        if self.response_use_chunked:
            self._sendall(b"HTTP/1.1 %b\r\n%b\r\n" % (self.status, head))
            self._write(data)
        else:
            self._sendall(b"HTTP/1.1 %b\r\n%b\r\n%b" % (self.status, head, data))

    # -- faults ------------------------------------------------------------------------------------------------

    def _handle_client_error(self, fault: Exception) -> tuple[str, bytes]:
        """What pywsgi asks for when a head cannot be read: an answer, but `handle_one_request` has a better one."""
        self._refusal = fault.problem if isinstance(fault, BadHead) else NOT_HTTP
        return "400", b""

    def handle_error(self, kind: type[BaseException], fault: BaseException, trace: Any) -> None:
        """A fault that went through the application."""
        if isinstance(fault, gevent.GreenletExit):
            return
        content = _FAILED.content()
        log.error("request_failed", request_id=content["request_id"], exc_info=(kind, fault, trace))
        self.close_connection = True
        if not self.response_length:
            with suppress(OSError):
                self.socket.sendall(raw_answer(_FAILED, content))

    def log_request(self) -> None:
        """Nothing: a line for each of thousands of requests a second serves nobody."""


class Server(WSGIServer):
    """Serves an application on a listening socket.

    max_body_bytes  largest body of a request; of a longer one the application gets the length alone
    """

    handler_class = Connection

    def __init__(self, listener: socket.socket, application: Any, *, max_body_bytes: int) -> None:
        self.max_body_bytes = max_body_bytes
        self.connections: set[Connection] = set()
        self.stopping = False
        super().__init__(listener, application, spawn=Pool(MAX_CONNECTIONS), log=None, error_log=None)

    def update_environ(self) -> None:
        """Name the server as it is configured; asking DNS for it would delay the start."""
        self.environ.setdefault("SERVER_NAME", "localhost")
        self.environ.setdefault("SERVER_PORT", str(self._port()))

    def _port(self) -> int:
        return self.address[1] if isinstance(self.address, tuple) else 0

    def run(self) -> None:
        """Serve until `finish` was called and the requests under way have been answered."""
        watch = gevent.spawn(self._watch)
        self.serve_forever(stop_timeout=STOP_S)
        watch.kill()

    def finish(self) -> None:
        """Take no more requests; called by signals."""
        self.stopping = True
        for connection in [one for one in self.connections if one.state == "resting"]:
            connection.expire()
        self._stop_event.set()

    def _watch(self) -> None:
        """End the connections whose time is over. One look a second costs less than a timer for each request."""
        while True:
            gevent.sleep(1.0)
            now = time.monotonic()
            for connection in [one for one in self.connections if one.deadline < now]:
                connection.expire()
