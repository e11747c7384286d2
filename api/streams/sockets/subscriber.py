"""A client of a raw WebSocket stream."""

from __future__ import annotations

import structlog
from simple_websocket import ConnectionClosed

from api.streams.sockets.fanout import Fanout, Outbox
from api.streams.sockets.websocket import WebSocket

log = structlog.get_logger()

# RFC 6455, 7.4.1: the endpoint does not accept this kind of message.
UNSUPPORTED = 1003


class Subscriber:
    """Accepts frames at any time, and sends them in order once it has a WebSocket."""

    def __init__(self, fanout: Fanout) -> None:
        self._outbox = Outbox(fanout)

    def offer(self, frames: bytes, *, own: bool = False) -> None:
        """Queue frames; never waits.

        own  whether they are the client's own reports, which leave at once
        """
        self._outbox.offer(frames, own=own)

    @property
    def is_slow(self) -> bool:
        """Whether the client has not yet read what was sent before."""
        return self._outbox.is_slow

    def cut(self) -> None:
        """End the connection, if one is open."""
        self._outbox.cut()

    def serve(self, websocket: WebSocket) -> None:
        """Serve a WebSocket until it ends. These streams only send; a message from the client ends the connection."""
        self._outbox.attach(websocket)
        try:
            websocket.receive()
            websocket.close(UNSUPPORTED, "this stream takes no messages")
        except (ConnectionClosed, OSError) as end:
            log.debug("subscriber_left", reason=str(end))
        finally:
            self._outbox.cut()
