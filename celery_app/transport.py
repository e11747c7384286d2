"""Connections to RabbitMQ that read everything that has arrived at once, and write several frames at once.

py-amqp reads the head, the payload and the end of each frame with separate calls, and learns from an exception that
nothing else has arrived. Here a look costs one call, however many frames it finds. py-amqp handles all frames, in their
order, except those for which a `BufferedConnection` has a taker.
"""

from __future__ import annotations

from collections.abc import Callable
from ssl import SSLWantReadError
from typing import Any, Final

from amqp.exceptions import RecoverableConnectionError, UnexpectedFrame
from kombu.transport import TRANSPORT_ALIASES, pyamqp

from celery_app.frames import METHOD, FrameBuffer

# Bytes read in one call: larger ones cost more in memory management than they save.
_MOST: Final = 65_536
METHOD_ID_BYTES: Final = 4


class BufferedConnection(pyamqp.Connection):
    """A connection with a buffer for arrived bytes.

    takers      functions that take the payload of a method in py-amqp's place, by channel and method
    on_arrived  function that the worker's loop calls after it has read; None where no loop reads
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.takers: dict[tuple[int, bytes], Callable[[bytes], None]] = {}
        self.on_arrived: Callable[[], None] | None = None
        self._arrived = FrameBuffer()
        self._loop: Any = None

    def connect(self, callback: Callable[[], Any] | None = None) -> Any:
        """Connect to RabbitMQ."""
        if not self.connected:
            self._arrived = FrameBuffer()
        return super().connect(callback)

    def send(self, frames: bytes, *, timeout_s: float | None = None) -> None:
        """Write frames.

        raises  RecoverableConnectionError  the connection is closed
                OSError                     RabbitMQ does not read them in time, or has hung up
        """
        with self._open().having_timeout(timeout_s):
            self._open().write(frames)
        self.bytes_sent += 1

    def read_arrived(self) -> None:
        """Handle all frames that have arrived, without waiting for another."""
        while self._receive(0) == _MOST:
            pass
        self._handle_arrived()

    def read_next(self, timeout_s: float) -> None:
        """Wait for frames, and handle all that have arrived.

        raises  TimeoutError  there are none in time
        """
        if not self._handle_arrived() and not self._receive(timeout_s):
            raise TimeoutError("RabbitMQ sends nothing")
        self._handle_arrived()

    def drain_events(self, timeout: float | None = None) -> None:
        """Handle frames up to the end of a method or a message, as py-amqp does while it waits for an answer."""
        super().drain_events(timeout)
        if self._loop is not None:
            # The loop would not notice frames that came with the answer: they are no longer in the socket.
            self._loop.call_later(0, self._read_soon)

    def blocking_read(self, timeout: float | None = None) -> Any:
        """Handle the next frame; return whether it ends a method or a message.

        raises  TimeoutError  it does not arrive in time
        """
        while (frame := self._next()) is None:
            if not self._receive(timeout):
                raise TimeoutError("RabbitMQ sends nothing")
        return self._handle(frame)

    def read_in(self, loop: Any) -> None:
        """Make a loop read this connection."""
        self._loop = loop
        loop.add_reader(self.sock, self.on_readable)
        loop.call_later(0, self._read_soon)

    def on_readable(self) -> None:
        """Handle everything that has arrived; the worker's loop calls this when the socket is readable."""
        self.read_arrived()
        if self.on_arrived is not None:
            self.on_arrived()

    def _read_soon(self) -> None:
        """Handle buffered frames in the loop's next turn, unless the loop has noticed that the connection is lost."""
        if self.connected:
            self.on_readable()

    def _handle_arrived(self) -> bool:
        frame = self._next()
        if frame is None:
            return False
        while frame is not None:
            self._handle(frame)
            frame = self._next()
        return True

    def _next(self) -> tuple[int, int, bytes] | None:
        try:
            return self._arrived.next()
        except ValueError as fault:
            raise UnexpectedFrame(str(fault)) from fault

    def _handle(self, frame: tuple[int, int, bytes]) -> Any:
        kind, channel, payload = frame
        if kind == METHOD and self.takers:
            take = self.takers.get((channel, payload[:METHOD_ID_BYTES]))
            if take is not None:
                self.bytes_recv += 1
                take(payload)
                return True
        return self.on_inbound_frame(frame)

    def _open(self) -> Any:
        """Return py-amqp's end of the socket; its own property would connect again."""
        if not self.connected:
            raise RecoverableConnectionError("the connection is closed")
        return self._transport

    def _receive(self, timeout_s: float | None) -> int:
        """Read bytes that have arrived or arrive within a time; return their number, 0 if none arrive in time.

        raises  OSError  RabbitMQ has hung up
        """
        transport = self._open()
        sock = transport.sock
        before_s = sock.gettimeout()
        sock.settimeout(timeout_s)
        try:
            arrived = sock.recv(_MOST)
            # TLS keeps the rest of a record where the loop does not see it.
            while arrived and getattr(sock, "pending", int)():
                arrived += sock.recv(_MOST)
        except (TimeoutError, BlockingIOError, SSLWantReadError):
            return 0
        except OSError:
            transport.connected = False
            raise
        finally:
            sock.settimeout(before_s)
        if not arrived:
            transport.connected = False
            raise ConnectionResetError("RabbitMQ has hung up")
        self._arrived.add(arrived)
        return len(arrived)


class Transport(pyamqp.Transport):
    """kombu's transport of AMQP with these connections."""

    Connection = BufferedConnection

    def register_with_event_loop(self, connection: BufferedConnection, loop: Any) -> None:
        """Have the worker's loop read a connection."""
        connection.read_in(loop)


class SecureTransport(pyamqp.SSLTransport):
    """The same over TLS."""

    Connection = BufferedConnection

    def register_with_event_loop(self, connection: BufferedConnection, loop: Any) -> None:
        """Have the worker's loop read a connection."""
        connection.read_in(loop)


def register() -> None:
    """Make kombu use these connections in this process, for each address of RabbitMQ and after each fail-over."""
    name = f"{__name__}:{Transport.__name__}"
    TRANSPORT_ALIASES.update(amqp=name, pyamqp=name, amqps=f"{__name__}:{SecureTransport.__name__}")
