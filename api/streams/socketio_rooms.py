"""The Socket.IO server, and its rooms: what is said in one is encoded once, and queued for each who is in it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import structlog
from flask_socketio import SocketIO
from msgspec import Raw

from api.streams.websocket import MAX_MESSAGE_BYTES, SocketIOWebSocket

log = structlog.get_logger()

# What may wait for a client, an event a packet; beyond either it is cut off.
MAX_WAITING_PACKETS = 500
MAX_WAITING_CHARACTERS = 4_194_304


class JsonOfPackets:
    """JSON as python-socketio asks for it; what is encoded already goes through as it is."""

    @staticmethod
    def dumps(content: object, **_: object) -> str:
        """Encode."""
        return msgspec.json.encode(content).decode()

    @staticmethod
    def loads(text: str | bytes, **_: object) -> Any:
        """Decode; ValueError when it is not JSON.

        Half a surrogate pair is JSON, but no text that msgspec would make; a client that sends one gets an answer, too.
        """
        try:
            return msgspec.json.decode(text)
        except msgspec.MsgspecError:
            return json.loads(text)


class SocketIORooms:
    """The rooms of the Socket.IO server."""

    def __init__(self, server: SocketIO) -> None:
        self._server = server

    def is_empty(self, room: str) -> bool:
        """Whether nobody is in a room."""
        return not self._server.server.manager.rooms.get("/", {}).get(room)

    def send(self, name: str, content: Raw, room: str | None) -> None:
        """Send an event to whoever is in a room, or with None to everyone; encoded once, and queued for each."""
        self._server.emit(name, content, to=room)

    def cut_off_slow(self) -> None:
        """End the connections for which too much waits."""
        for connection in list(self._server.server.eio.sockets.values()):
            waiting = connection.queue.queue
            characters = sum(len(packet.data or "") for packet in waiting if packet)
            if len(waiting) > MAX_WAITING_PACKETS or characters > MAX_WAITING_CHARACTERS:
                log.warning("subscriber_cut_off", waiting_packets=len(waiting), waiting_characters=characters)
                waiting.clear()
                connection.close(wait=False, abort=True)


def socketio_server() -> SocketIO:
    """The server, not yet bound to an application."""
    return SocketIO(
        async_mode="gevent",
        json=JsonOfPackets,
        manage_session=False,
        # In the greenlet that reads from the client: it waits for its answer before it is heard again.
        async_handlers=False,
        max_http_buffer_size=MAX_MESSAGE_BYTES,
        logger=False,
        engineio_logger=False,
    )


def serve_websockets(server: SocketIO) -> None:
    """Have python-engineio use our WebSocket; it has no public way to say so."""
    engine = server.server.eio
    engine._async = {**engine._async, "websocket": SocketIOWebSocket}  # noqa: SLF001
