"""Sends many frames to many WebSockets: what comes within a moment goes to each in one write, and no write waits.

A frame is made once, whoever reads it. It is laid down at each reader's, and a moment later all that lies there is
given to the kernel. Only who cannot take it at once costs a greenlet of its own, which waits in everybody's place.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import structlog
from gevent import Greenlet

from api.streams.sockets.websocket import WebSocket

log = structlog.get_logger()

# Between two rounds; and what part of a core rounds may take, as the machine has orders to see to, too [s; 1].
EVERY_S = 0.01
BUSY = 0.1
# What may wait for a client; beyond that it is cut off, and finds out by the sequences what it missed.
MAX_WAITING_BYTES = 4_194_304
# What may wait for a client before it gets more of what it has missed.
SLOW_BYTES = 1_048_576


class Fanout:
    """The rounds in which outboxes are emptied."""

    def __init__(self) -> None:
        self._due: list[Outbox] = []
        self._before: list[Callable[[], None]] = []
        self._is_coming = False
        self._again_at = 0.0
        #: The clients cut off because they did not read.
        self.cut_off = 0

    def before_each_round(self, do: Callable[[], None]) -> None:
        """Have something done that may fill outboxes before a round empties them."""
        self._before.append(do)

    def soon(self, outbox: Outbox) -> None:
        """Have an outbox emptied in the next round."""
        self._due.append(outbox)
        self.wake()

    def wake(self) -> None:
        """Have a round soon."""
        if not self._is_coming:
            self._is_coming = True
            gevent.spawn_later(max(self._again_at - time.monotonic(), 0.0), self._round)

    def _round(self) -> None:
        began_s, cpu_s = time.monotonic(), time.thread_time()
        try:
            for do in self._before:
                do()
        finally:
            self._is_coming = False  # should that fail, the next one to say something gets its round all the same
        due, self._due = self._due, []
        for outbox in due:
            outbox.empty()
        self._again_at = began_s + max(EVERY_S, (time.thread_time() - cpu_s) / BUSY)


class Outbox:
    """What waits for one WebSocket, and for a client that may read as slowly as it likes without holding up anyone."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._websocket: WebSocket | None = None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._writer: Greenlet | None = None

    def attach(self, websocket: WebSocket) -> None:
        """Send from now on what waits and what comes."""
        self._websocket = websocket
        if self._waiting:
            self._fanout.soon(self)

    def offer(self, frames: bytes) -> None:
        """Put frames on their way; never waits."""
        if self._websocket is not None and not self._websocket.connected:
            return
        if self._waiting_bytes + len(frames) > MAX_WAITING_BYTES and self._websocket is not None:
            log.warning("subscriber_cut_off", waiting_bytes=self._waiting_bytes)
            self._fanout.cut_off += 1
            self.cut()
            return
        if not self._waiting and self._websocket is not None:
            self._fanout.soon(self)
        self._waiting.append(frames)
        self._waiting_bytes += len(frames)

    def empty(self) -> None:
        """Send what the other side takes at once; the rest is sent when it does."""
        if self._writer is not None or not self._waiting or self._websocket is None:
            return
        try:
            is_sent = self._websocket.send_now(self._take())
        except OSError as fault:
            self._lost(fault)
            return
        if not is_sent:
            self._writer = gevent.spawn(self._write, self._websocket)

    @property
    def is_slow(self) -> bool:
        """Whether the other side has yet to read what was sent before."""
        return self._writer is not None or self._waiting_bytes > SLOW_BYTES

    def drain(self) -> None:
        """Send all that waits, however long that takes. Raises OSError when the connection is lost."""
        if self._writer is not None:
            self._writer.join()
        if self._waiting and self._websocket is not None:
            self._websocket.send_frames(self._take())

    def cut(self) -> None:
        """End the connection, if there is one."""
        self._waiting.clear()
        self._waiting_bytes = 0
        if self._websocket is not None:
            self._websocket.cut()

    def _take(self) -> bytes:
        frames = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        return frames

    def _write(self, websocket: WebSocket) -> None:
        try:
            websocket.send_frames(b"")  # what was begun
            while self._waiting and websocket.connected:
                websocket.send_frames(self._take())
        except OSError as fault:
            self._lost(fault)
        finally:
            self._writer = None

    def _lost(self, fault: OSError) -> None:
        if isinstance(fault, TimeoutError):
            log.warning("subscriber_cut_off", waiting_bytes=self._waiting_bytes, fault=str(fault))
            self._fanout.cut_off += 1
        else:
            log.info("subscriber_lost", fault=str(fault))
        self.cut()
