"""A client of a raw WebSocket stream."""

from __future__ import annotations

import structlog
from simple_websocket import ConnectionClosed

from api.streams.sockets.fanout import Fanout, Outbox
from api.streams.sockets.websocket import WebSocket

log = structlog.get_logger()

# RFC 6455, 7.4.1: a message of a kind that is not taken here.
UNSUPPORTED = 1003


class Subscriber:
    """Takes frames at any time, and sends them in this order once it has a WebSocket."""

    def __init__(self, fanout: Fanout) -> None:
        self._outbox = Outbox(fanout)

    def offer(self, frames: bytes) -> None:
        """Put frames on their way; never waits."""
        self._outbox.offer(frames)

    @property
    def is_slow(self) -> bool:
        """Whether the client has yet to read what was sent before."""
        return self._outbox.is_slow

    def cut(self) -> None:
        """End the connection, if there is one."""
        self._outbox.cut()

    def serve(self, websocket: WebSocket) -> None:
        """Return when the connection has ended; these streams only send, so who says something is refused."""
        self._outbox.attach(websocket)
        try:
            websocket.receive()
            websocket.close(UNSUPPORTED, "this stream takes no messages")
        except (ConnectionClosed, OSError) as end:
            log.debug("subscriber_left", reason=str(end))
        finally:
            self._outbox.cut()
