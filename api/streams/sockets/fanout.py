"""Sends many frames to many WebSockets: each gets the frames of a round in one write, and no write waits.

A frame is built once for all its readers and put into the outbox of each. The next round hands each outbox to the
kernel. Only a reader that cannot take its frames at once costs a greenlet, which waits for it alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import structlog
from gevent import Greenlet

from api.streams.sockets.websocket import WebSocket

log = structlog.get_logger()

# The time between two rounds, and the fraction of a core that rounds may take from the trading stages [s; 1]: of what
# onlookers read, and of what a client reads about its own orders.
EVERY_S, BUSY = 0.01, 0.1
EVERY_OWN_S, BUSY_OWN = 0.0, 0.25
# A client for which more than this waits is cut off; the sequence numbers show it what it has missed.
MAX_WAITING_BYTES = 4_194_304
# A client for which more than this waits gets no more of the reports that it has missed.
SLOW_BYTES = 1_048_576


class Fanout:
    """Runs the rounds that empty the outboxes.

    A client's own reports go in rounds of their own, which wait only if they take too much of a core: they are what the
    client's next order depends on.
    """

    def __init__(self) -> None:
        self._rounds = {False: _Rounds(EVERY_S, BUSY), True: _Rounds(EVERY_OWN_S, BUSY_OWN)}
        #: The clients cut off because they did not read.
        self.cut_off = 0

    def before_each_round(self, do: Callable[[], None], *, own: bool = False) -> None:
        """Register a function that runs before each round, and may fill outboxes."""
        self._rounds[own].before.append(do)

    def soon(self, outbox: Outbox, *, own: bool = False) -> None:
        """Empty an outbox in the next round."""
        self._rounds[own].due[outbox] = None
        self.wake(own=own)

    def wake(self, *, own: bool = False) -> None:
        """Schedule a round, unless one is scheduled."""
        self._rounds[own].wake()


class _Rounds:
    """Rounds of one kind.

    every_s  the time between two [s]
    busy     the fraction of a core that they may take
    """

    def __init__(self, every_s: float, busy: float) -> None:
        self.due: dict[Outbox, None] = {}
        self.before: list[Callable[[], None]] = []
        self._every_s = every_s
        self._busy = busy
        self._is_coming = False
        self._again_at = 0.0

    def wake(self) -> None:
        """Schedule a round, unless one is scheduled."""
        if not self._is_coming:
            self._is_coming = True
            gevent.spawn_later(max(self._again_at - time.monotonic(), 0.0), self._round)

    def _round(self) -> None:
        began_s, cpu_s = time.monotonic(), time.thread_time()
        try:
            for do in self.before:
                do()
        finally:
            self._is_coming = False  # even after a failure the next frame gets its round
        due, self.due = self.due, {}
        for outbox in due:
            outbox.empty()
        self._again_at = began_s + max(self._every_s, (time.thread_time() - cpu_s) / self._busy)


class Outbox:
    """Holds the frames of one WebSocket, so that a slow client delays no other."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._websocket: WebSocket | None = None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._writer: Greenlet | None = None

    def attach(self, websocket: WebSocket) -> None:
        """Connect the WebSocket, and send what waits."""
        self._websocket = websocket
        if self._waiting:
            self._fanout.soon(self)

    def offer(self, frames: bytes, *, own: bool = False) -> None:
        """Queue frames; never waits.

        own  whether they are reports of the client itself, which leave at once, and with them what waits before them
        """
        if self._websocket is not None and not self._websocket.connected:
            return
        if self._waiting_bytes + len(frames) > MAX_WAITING_BYTES and self._websocket is not None:
            log.warning("subscriber_cut_off", waiting_bytes=self._waiting_bytes)
            self._fanout.cut_off += 1
            self.cut()
            return
        self._waiting.append(frames)
        self._waiting_bytes += len(frames)
        if self._websocket is not None:
            self._fanout.soon(self, own=own)

    def empty(self) -> None:
        """Send what the client takes at once, and the rest as it takes more."""
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
        """Whether the client has not yet read what was sent before."""
        return self._writer is not None or self._waiting_bytes > SLOW_BYTES

    def drain(self) -> None:
        """Send everything that waits, however long it takes. Raises OSError when the connection is lost."""
        if self._writer is not None:
            self._writer.join()
        if self._waiting and self._websocket is not None:
            self._websocket.send_frames(self._take())

    def cut(self) -> None:
        """End the connection, if one is open."""
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
            websocket.send_frames(b"")  # the rest of the write that did not fit
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
