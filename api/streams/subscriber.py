"""A client of a raw WebSocket stream, which may read as slowly as it likes without holding up anyone."""

from __future__ import annotations

from collections import deque

import gevent
import structlog
from gevent.event import Event
from simple_websocket import ConnectionClosed

from api.streams.websocket import WebSocket

log = structlog.get_logger()

# What may wait for a client; beyond that it is cut off, and finds out by the sequences what it missed.
MAX_WAITING_BYTES = 4_194_304
# RFC 6455, 7.4.1: a message of a kind that is not taken here.
UNSUPPORTED = 1003


class Subscriber:
    """Takes frames at any time, and sends them in this order once it has a WebSocket."""

    def __init__(self) -> None:
        self._websocket: WebSocket | None = None
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._news = Event()

    def offer(self, frames: bytes) -> None:
        """Put frames on their way; never waits."""
        if self._waiting_bytes + len(frames) > MAX_WAITING_BYTES and self._websocket is not None:
            log.warning("subscriber_cut_off", waiting_bytes=self._waiting_bytes)
            self._websocket.cut()
        else:
            self._waiting.append(frames)
            self._waiting_bytes += len(frames)
            self._news.set()

    def cut(self) -> None:
        """End the connection, if there is one."""
        if self._websocket is not None:
            self._websocket.cut()

    def serve(self, websocket: WebSocket) -> None:
        """Return when the connection has ended; these streams only send, so who says something is refused."""
        self._websocket = websocket
        writer = gevent.spawn(self._write, websocket)
        try:
            websocket.receive()
            websocket.close(UNSUPPORTED, "this stream takes no messages")
        except (ConnectionClosed, OSError) as end:
            log.debug("subscriber_left", reason=str(end))
        finally:
            writer.kill()
            websocket.cut()

    def _write(self, websocket: WebSocket) -> None:
        while websocket.connected:
            self._news.wait()
            self._news.clear()
            frames = b"".join(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            try:
                websocket.send_frames(frames)
            except OSError as fault:
                log.info("subscriber_lost", fault=str(fault))
                return
