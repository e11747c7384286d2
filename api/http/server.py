"""HTTP for the api: one request after the other from each connection, within limits of size and time.

Built on gevent.pywsgi. Measured with a minimal Flask POST over 64 kept connections: 155 us of CPU a request, 195 us
in gunicorn's gevent worker, whose parser is in Python unless the installation compiles a C extension. It also needs no
parent process, because the supervisor restarts every process of the exchange. Gunicorn checks the head of a
request more strictly, so this module checks it; and it has access to the socket itself, which the streams need.

The server reads a request completely before the application sees it. So a slow connection costs no more than a greenlet
until its time is over, and delays no other connection.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from io import BytesIO
from typing import Any, BinaryIO, Literal

import gevent
import structlog
from gevent.pool import Pool
from gevent.pywsgi import Input, WSGIHandler, WSGIServer, format_date_time

from api.http.head import NOT_HTTP, BadHead, HeaderFields, KnownHead
from api.request import time_limit
from api.wire.problems import Problem, raw_answer

log = structlog.get_logger()

# Longest time between two requests of a connection, for the arrival of a whole request, and for sending a response [s].
IDLE_S = 75.0
REQUEST_S = 10.0
ANSWER_S = 30.0
# The server reads this much of a refused body before it closes the connection, so that the client gets the refusal.
MAX_DROPPED_BYTES = 16_777_216
MAX_CONNECTIONS = 10_000
# Time for the current requests to finish when the server stops [s].
STOP_S = 6.0

_URI_TOO_LONG = Problem(414, "uri_too_long", "the first line of a request must have at most 8,192 bytes")
_TIMED_OUT = Problem(408, "request_timeout", f"a request must arrive within {REQUEST_S:.0f} s")
_FAILED = Problem(500, "internal_error", "the exchange failed; its log has the cause under this request id")

# pywsgi reads the rest of a body that the application has left, but the server has read all of it before.
_NOTHING_LEFT = Input(None, None)

_END_OF_HEAD = b"\r\n\r\n"

State = Literal["resting", "reading", "waiting", "answering", "sending", "leaving", "expired"]


class Connection(WSGIHandler):
    """One connection of a client, from its first request to its last."""

    #: The client's clock runs except while it waits for leave, or for the application (`answering`).
    state: State = "resting"
    #: End of the client's time, which the server's watch checks [s, monotonic].
    deadline = math.inf
    #: The reason for refusing the head.
    _refusal: Problem | None = None
    #: The head of the request before, and what has arrived of the current one.
    _known: KnownHead | None = None
    _received = b""
    #: Whether the next head may be that of this request; see KnownHead.
    remembers_head = False
    #: None when the connection has been handed over to another process.
    socket: Any

    # -- reading -----------------------------------------------------------------------------------------------

    def handle(self) -> None:
        """Serve the connection until it ends."""
        self.server.connections.add(self)
        try:
            super().handle()
        except OSError:
            log.debug("connection_lost")  # the client may leave at any time
        finally:
            self.server.connections.discard(self)

    def handle_one_request(self) -> Any:
        """Wait for a request and serve it; the return value is that of pywsgi."""
        self.state = "resting"
        self.deadline = time.monotonic() + IDLE_S
        try:
            if self.server.stopping or not (received := self.rfile.peek(1)):
                return None
        except OSError:
            return None
        self.state = "reading"
        self.deadline = time.monotonic() + REQUEST_S
        if self._known is not None and (lengths := self._known.lengths(received)) is not None:
            return self._handle_known(self._known, *lengths)
        self._received = received
        goes_on = super().handle_one_request()
        if isinstance(goes_on, tuple) and self._in_time():
            self.refuse(self._refusal or _URI_TOO_LONG)
        return goes_on if goes_on is True and self._in_time() else None

    def _handle_known(self, known: KnownHead, head_length: int, body_length: int) -> bool | None:
        """Serve a request whose head is that of the request before."""
        self.rfile.read(head_length)
        self.content_length = body_length
        self.wsgi_input = Input(self.rfile, body_length)
        self.environ = known.environ.copy()
        self.response_length = 0
        self.handle_one_response()
        return True if not self.close_connection and self._in_time() else None

    def get_environ(self) -> dict[str, Any]:
        """Return the environment of a request whose head is parsed, and remember both."""
        environ: dict[str, Any] = super().get_environ()
        self.prepare(environ)
        end = self._received.find(_END_OF_HEAD) if self.remembers_head else -1
        head = self._received[: end + len(_END_OF_HEAD)]
        self._known = KnownHead.of(head, environ.copy()) if end > 0 else None
        return environ

    def prepare(self, environ: dict[str, Any]) -> None:
        """Add what every request with this head has in its environment."""

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
            # The client left, ran out of time, or sent invalid chunks: the rest of the connection is not trustworthy.
            self.close_connection = True
            if self._in_time():
                self.refuse(NOT_HTTP)
            return
        self.state = "answering"
        self.deadline = math.inf
        time_limit.begin()
        self.serve(body, length)

    def serve(self, body: bytes, length: int) -> None:
        """Answer a request; of a body beyond the limit the application gets only the length."""
        self.environ["wsgi.input"] = self.input_of(body)
        self.environ["CONTENT_LENGTH"] = str(length)
        self.wsgi_input = _NOTHING_LEFT
        unread = length > self.server.max_body_bytes
        if unread:
            # The response announces it, or a client would send its next request behind a body that the server drops.
            self.close_connection = True
        self.respond()
        if unread:
            self._drop_rest()

    def respond(self) -> None:
        """Let the application answer."""
        super().handle_one_response()

    def input_of(self, body: bytes) -> Any:
        """Return the stream from which the application reads the body."""
        return BytesIO(body)

    def _read_body(self) -> tuple[bytes, int]:
        """Return the body and its length; a body beyond the limit is not read to its end."""
        limit = self.server.max_body_bytes
        length = self.content_length
        if length is None and "HTTP_TRANSFER_ENCODING" not in self.environ:
            return b"", 0
        if length is not None and length > limit:
            return b"", length
        body: bytes = self.wsgi_input.read(limit + 1)
        return body, len(body)

    def _drop_rest(self) -> None:
        """Read on for a while: closing at once would discard the response to a client that is still sending."""
        self.deadline = time.monotonic() + REQUEST_S
        self.state = "leaving"
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            dropped = 0
            while dropped < MAX_DROPPED_BYTES and (rest := self.rfile.read1(65_536)):
                dropped += len(rest)

    def refuse(self, problem: Problem) -> None:
        """Answer with a problem, bypassing the application, and end the connection."""
        self.state = "sending"
        self.deadline = time.monotonic() + ANSWER_S
        self.close_connection = True
        self.socket.sendall(raw_answer(problem))
        self._drop_rest()

    def expire(self) -> None:
        """End the connection because the client's time is over; the watch calls this."""
        was, self.state = self.state, "expired"
        with suppress(OSError):
            if was == "reading":
                self.socket._sock.send(raw_answer(_TIMED_OUT))  # noqa: SLF001  # the watch must not block
            self.socket.shutdown(socket.SHUT_RDWR)

    # -- writing -----------------------------------------------------------------------------------------------

    def send(self, status_line: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Send a whole response at once, bypassing WSGI."""
        close = "Connection: close\r\n" if self.server.stopping or self.close_connection else ""
        self.close_connection = bool(close)
        fields = "".join([f"{name}: {text}\r\n" for name, text in headers])
        date = self.server.date()
        head = f"HTTP/1.1 {status_line}\r\n{fields}Date: {date}\r\nContent-Length: {len(body)}\r\n{close}\r\n"
        self.deadline = time.monotonic() + ANSWER_S
        self.socket.sendall(head.encode("latin-1") + body)

    def _write_with_headers(self, data: bytes) -> None:
        """Send head and body together: pywsgi would send two packets, and the second would wait for the first's ack."""
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
        """Remember why a head is invalid; pywsgi wants a response, but `handle_one_request` sends a better one."""
        self._refusal = fault.problem if isinstance(fault, BadHead) else NOT_HTTP
        return "400", b""

    def handle_error(self, kind: type[BaseException], fault: BaseException, trace: Any) -> None:
        """Log an exception that the application did not handle, and answer 500."""
        if isinstance(fault, gevent.GreenletExit):
            return
        if not self._in_time():  # the server itself has ended the connection
            self.close_connection = True
            return
        content = _FAILED.content()
        log.error("request_failed", request_id=content["request_id"], exc_info=(kind, fault, trace))
        self.close_connection = True
        if not self.response_length:
            with suppress(OSError):
                self.socket.sendall(raw_answer(_FAILED, content))

    def log_request(self) -> None:
        """Log nothing: at thousands of requests per second the lines would have no reader."""


class Server(WSGIServer):
    """Serves an application on a listening socket.

    max_body_bytes  largest body of a request; of a longer one the application gets only the length
    """

    handler_class = Connection

    def __init__(self, listener: socket.socket, application: Any, *, max_body_bytes: int) -> None:
        self.max_body_bytes = max_body_bytes
        self.connections: set[Connection] = set()
        self.stopping = False
        self._date_s, self._date = 0, ""
        super().__init__(listener, application, spawn=Pool(MAX_CONNECTIONS), log=None, error_log=None)

    def date(self) -> str:
        """Return the time as the Date field gives it, which changes once a second."""
        now_s = int(time.time())
        if now_s != self._date_s:
            self._date_s, self._date = now_s, format_date_time(now_s).decode()
        return self._date

    def update_environ(self) -> None:
        """Set the server's name without asking DNS, which would delay the start."""
        self.environ.setdefault("SERVER_NAME", "localhost")
        self.environ.setdefault("SERVER_PORT", str(self._port()))

    def _port(self) -> int:
        return self.address[1] if isinstance(self.address, tuple) else 0

    def run(self) -> None:
        """Serve until `finish` is called and the current requests are answered."""
        watch = gevent.spawn(self._watch)
        self.serve_forever(stop_timeout=STOP_S)
        watch.kill()

    def finish(self) -> None:
        """Accept no more requests; signals call this."""
        self.stopping = True
        for connection in [one for one in self.connections if one.state == "resting"]:
            connection.expire()
        self._stop_event.set()

    def _watch(self) -> None:
        """End the connections whose time is over. One check per second costs less than a timer for each request."""
        while True:
            gevent.sleep(1.0)
            now = time.monotonic()
            for connection in [one for one in self.connections if one.deadline < now]:
                connection.expire()
            self.make_room()

    def make_room(self) -> None:
        """End connections if there are too many; the watch calls this."""
