"""WebSockets under gevent, for the raw streams and for Socket.IO.

simple-websocket writes with `socket.send`, which under gevent sends what fits into the socket's buffer and drops the
rest, and two greenlets may write at once. So it gets a socket here that sends everything or fails. Data frames are not
compressed, and this module builds them: one frame serves any number of subscribers.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
import gevent.event
import gevent.selectors
import simple_websocket
from gevent import Greenlet, Timeout
from gevent.lock import RLock
from wsproto.utilities import RemoteProtocolError

from api.request.buckets import TokenBuckets
from api.wire.problems import Problem

# A client that takes longer than this to accept one write is cut off [s].
WRITE_S = 10.0
# The time between two pings, and the time allowed for the answer [s].
PING_S = 20.0
# Clients send subscriptions and nothing larger.
MAX_MESSAGE_BYTES = 16_384
# Bytes read at a time, reads in a second, and reads at once after a pause [s of that rate]: a thousand subscriptions
# pass, a steady flow does not.
READ_BYTES = 512
READS_PER_S = 50
READS_AHEAD_S = 20.0

NOT_A_WEBSOCKET = Problem(400, "bad_request", "this address takes WebSocket connections only")


def text_frame(payload: bytes) -> bytes:
    """Return a server's text message as one frame (RFC 6455, 5.2): final, without mask or extensions."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


class WebSocket(simple_websocket.Server):
    """A WebSocket on the connection of a WSGI request.

    raises  Problem  the request is not a WebSocket handshake
    """

    def __init__(self, environ: dict[str, Any]) -> None:
        whole = _WholeWrites(_socket_of(environ))
        try:
            super().__init__(
                {**environ, "werkzeug.socket": whole},
                receive_bytes=READ_BYTES,
                ping_interval=PING_S,
                max_message_size=MAX_MESSAGE_BYTES,
                thread_class=_Thread,
                event_class=gevent.event.Event,
                selector_class=gevent.selectors.DefaultSelector,
            )
        except RemoteProtocolError as fault:
            whole.close()
            raise NOT_A_WEBSOCKET from fault

    def send(self, data: str | bytes) -> None:
        """Send a text message. Raises OSError when the connection is lost or the client reads too slowly."""
        self.send_frames(text_frame(data.encode() if isinstance(data, str) else data))

    def send_frames(self, frames: bytes) -> None:
        """Send encoded frames. Raises OSError when the connection is lost or the client reads too slowly."""
        if not self.connected:
            raise BrokenPipeError("the WebSocket is closed")
        self.sock.sendall(frames)

    def send_now(self, frames: bytes) -> bool:
        """Send encoded frames without waiting; return False when the next `send_frames` has to send the rest.

        raises  OSError  the connection is lost
        """
        if not self.connected:
            raise BrokenPipeError("the WebSocket is closed")
        taken: bool = self.sock.send_now(frames)
        return taken

    def cut(self) -> None:
        """End the connection at once, without sending what waits."""
        self.connected = False
        self.sock.cut()


class _WholeWrites:
    """A socket that two greenlets may write to; each write is sent completely, or the connection ends.

    Reads follow each other at a steady pace, because the work for what a client sends must not delay others' streams.
    """

    def __init__(self, of_server: Any) -> None:
        self._of_server = of_server
        self._socket = of_server.dup()  # simple-websocket closes the socket it gets
        self._lock = RLock()
        self._reads = TokenBuckets(per_s=READS_PER_S, burst_s=READS_AHEAD_S)
        self._begun = b""  # the rest of an incomplete write; it is sent before anything else

    def sendall(self, data: bytes) -> None:
        with self._lock:
            begun, self._begun = self._begun, b""
            try:
                with Timeout(WRITE_S, TimeoutError("the other side reads too slowly")):
                    self._socket.sendall(begun + data)
            except OSError:
                self.cut()  # a part of a frame may have left
                raise

    def send_now(self, data: bytes) -> bool:
        """Send what the kernel takes without waiting; return False when the next `sendall` has to send the rest."""
        if self._begun or not self._lock.acquire(blocking=False):
            self._begun += data
            return False
        try:
            sent: int = self._socket._sock.send(data)  # noqa: SLF001 - gevent's own would wait
        except BlockingIOError:
            sent = 0
        except OSError:
            self.cut()
            raise
        finally:
            self._lock.release()
        self._begun = data[sent:]
        return not self._begun

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        if wait_s := self._reads.reserve(""):
            gevent.sleep(wait_s)
        received: bytes = self._socket.recv(size)
        return received

    def fileno(self) -> int:
        number: int = self._socket.fileno()
        return number

    def close(self) -> None:
        self._socket.close()

    def cut(self) -> None:
        # Shut down the server's socket: otherwise the server would wait for another request on the connection.
        with suppress(OSError):  # it was cut or lost already
            self._of_server.shutdown(socket.SHUT_RDWR)


class _Thread(Greenlet):
    """A greenlet with the interface of a thread, for simple-websocket."""

    def __init__(self, target: Callable[[], None]) -> None:
        super().__init__(target)


def _socket_of(environ: dict[str, Any]) -> Any:
    """Return the connection's socket, which gevent's WSGI server exposes only behind the request's input."""
    source = environ["wsgi.input"]
    return getattr(source, "rfile", source).raw._sock  # noqa: SLF001
