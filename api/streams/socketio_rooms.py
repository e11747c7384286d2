"""The Socket.IO server, and its rooms: what is said in one is encoded once, and sent to each who is in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec
import simple_websocket
import structlog
from engineio.packet import MESSAGE, Packet
from flask_socketio import SocketIO
from msgspec import Raw

from api.streams.fanout import Fanout, Outbox
from api.streams.websocket import MAX_MESSAGE_BYTES, WebSocket, text_frame

log = structlog.get_logger()

# What may wait for a client that polls, an event a packet; beyond either it is cut off.
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
    """The rooms of the Socket.IO server.

    fanout  sends to those who have a WebSocket
    """

    def __init__(self, server: SocketIO, fanout: Fanout) -> None:
        self._server = server
        self._fanout = fanout
        self._outboxes: dict[str, Outbox] = {}

    def is_empty(self, room: str) -> bool:
        """Whether nobody is in a room."""
        return not self._server.server.manager.rooms.get("/", {}).get(room)

    def send(self, name: str, content: Raw, room: str | None) -> None:
        """Send an event to whoever is in a room, or with None to everyone; it is made once for all of them."""
        message = b'2["%b",%b]' % (name.encode(), bytes(content))  # of the type EVENT, as Socket.IO has it
        frame = text_frame(b"4" + message)  # of the type MESSAGE, as Engine.IO has it
        engine = self._server.server.eio
        for _, connection_id in self._server.server.manager.get_participants("/", room):
            connection = engine.sockets.get(connection_id)
            outbox = self._outboxes.get(connection_id)
            if connection is None or connection.closed:
                continue
            # Behind what waits in Engine.IO's own queue, which is all there is for who polls; mostly it is empty.
            if outbox is not None and connection.upgraded and connection.queue.empty():
                outbox.offer(frame)
            else:
                engine.send_packet(connection_id, Packet(MESSAGE, message.decode()))

    def serve_websockets(self) -> None:
        """Have python-engineio use our WebSocket; it has no public way to say so."""
        engine = self._server.server.eio
        engine._async = {**engine._async, "websocket": self._websocket}  # noqa: SLF001

    def _websocket(self, handler: Callable[[SocketIOWebSocket], Iterable[bytes]], _server: object) -> Any:
        """What python-engineio calls for a connection that is to become a WebSocket: a WSGI application."""
        connection_id: str = handler.__self__.sid  # type: ignore[attr-defined]  # it is a method of the connection

        def serve(environ: dict[str, Any], _start_response: object) -> Iterable[bytes]:
            websocket = WebSocket(environ)
            outbox = self._outboxes[connection_id] = Outbox(self._fanout)
            outbox.attach(websocket)
            try:
                return handler(SocketIOWebSocket(websocket, outbox))
            finally:
                del self._outboxes[connection_id]
                outbox.cut()

        return serve

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


class SocketIOWebSocket:
    """A WebSocket in the form in which python-engineio asks for one; what it sends goes the way of all frames."""

    def __init__(self, websocket: WebSocket, outbox: Outbox) -> None:
        self._websocket = websocket
        self._outbox = outbox

    def close(self) -> None:
        """Say farewell, if the other side still listens."""
        if self._websocket.connected:
            with suppress(OSError):  # it was lost meanwhile
                self._outbox.drain()
                self._websocket.close()

    def send(self, message: str | bytes) -> None:
        """Send a message."""
        if not self._websocket.connected:
            raise BrokenPipeError("the WebSocket is closed")
        self._outbox.offer(text_frame(message.encode() if isinstance(message, str) else message))

    def wait(self) -> str | bytes | None:
        """The next message, None when there will be none."""
        try:
            return self._websocket.receive()
        except simple_websocket.ConnectionClosed:
            return None
