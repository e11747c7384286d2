"""The Socket.IO server and its rooms: an event is encoded once and sent to each connection in its room."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import msgspec
import simple_websocket
import structlog
from engineio.packet import MESSAGE, Packet
from flask_socketio import SocketIO
from msgspec import Raw

from api.http.stream_places import session_id
from api.request.origins import ANY
from api.streams.sockets.fanout import Fanout, Outbox
from api.streams.sockets.websocket import MAX_MESSAGE_BYTES, WebSocket, text_frame

log = structlog.get_logger()

# A polling client for which more than either waits is cut off; an event is a packet.
MAX_WAITING_PACKETS = 500
MAX_WAITING_CHARACTERS = 4_194_304


class JsonOfPackets:
    """The JSON codec that python-socketio uses; encoded content passes through unchanged."""

    @staticmethod
    def dumps(content: object, **_: object) -> str:
        """Encode."""
        return msgspec.json.encode(content).decode()

    @staticmethod
    def loads(text: str | bytes, **_: object) -> Any:
        """Decode. Raises ValueError when the text is not JSON.

        Half a surrogate pair is valid JSON that msgspec refuses; a client that sends one gets an answer, too.
        """
        try:
            return msgspec.json.decode(text)
        except msgspec.MsgspecError:
            return json.loads(text)


class _Message(NamedTuple):
    """An event for a room."""

    room: str | None
    frame: bytes
    text: str  # the packet for clients that poll


class SocketIORooms:
    """The rooms of the Socket.IO server.

    Connections in the same rooms get the same bytes. So connections are grouped by their rooms, and each round joins
    the frames of a group once.

    fanout  sends to the connections that have a WebSocket
    """

    def __init__(self, server: SocketIO, fanout: Fanout) -> None:
        self._server = server
        self._fanout = fanout
        self._outboxes: dict[str, Outbox] = {}  # by the id of the Engine.IO connection
        self._ids: dict[str, str] = {}  # the Engine.IO id of each Socket.IO connection
        self._rooms_of: dict[str, frozenset[str | None]] = {}
        self._alike: defaultdict[frozenset[str | None], dict[str, None]] = defaultdict(dict)
        self._sizes: Counter[str] = Counter()
        # The events of the next round of either kind; see Fanout.
        self._said: dict[bool, list[_Message]] = {False: [], True: []}
        for own in self._said:
            fanout.before_each_round(partial(self._settle, own=own), own=own)

    # -- membership --------------------------------------------------------------------------------------------------

    def open(self, connection: str) -> None:
        """Add a connection of Socket.IO, in no room yet."""
        self.settle()
        self._ids[connection] = self._server.server.manager.eio_sid_from_sid(connection, "/")
        self._move(connection, frozenset({None}))

    def close(self, connection: str) -> None:
        """Remove a connection that has ended."""
        if connection in self._ids:
            self._move(connection, frozenset())
            del self._ids[connection]

    def enter(self, connection: str, room: str) -> None:
        """Add a connection to a room, unless it has ended meanwhile."""
        if connection in self._ids:
            self.settle()
            self._move(connection, self._rooms_of[connection] | {room})

    def leave(self, connection: str, room: str) -> None:
        """Remove a connection from a room."""
        if connection in self._ids:
            self._move(connection, self._rooms_of[connection] - {room})

    def is_empty(self, room: str) -> bool:
        """Return whether a room is empty."""
        return not self._sizes[room]

    def engine_id(self, connection: str) -> str:
        """Return the Engine.IO id of an open connection of Socket.IO."""
        return self._ids[connection]

    def count_of(self, connection: str) -> int:
        """Return the number of rooms that a connection is in."""
        return len(self._rooms_of.get(connection, ()))

    def is_slow(self, room: str) -> bool:
        """Return whether a connection in a room has not yet read what was sent before."""
        return any(
            self._has_yet_to_read(connection)
            for rooms, connections in self._alike.items()
            if room in rooms
            for connection in connections
        )

    def _has_yet_to_read(self, connection_id: str) -> bool:
        connection = self._server.server.eio.sockets.get(connection_id)
        if connection is None or connection.closed:
            return False
        outbox = self._outboxes.get(connection_id)
        return not connection.queue.empty() or (outbox is not None and outbox.is_slow)

    def _move(self, connection: str, rooms: frozenset[str | None]) -> None:
        before = self._rooms_of.pop(connection, frozenset())
        alike = self._alike[before]
        alike.pop(self._ids[connection], None)
        if not alike:
            del self._alike[before]
        self._sizes.subtract(room for room in before if room is not None)
        if rooms:
            self._rooms_of[connection] = rooms
            self._alike[rooms][self._ids[connection]] = None
            self._sizes.update(room for room in rooms if room is not None)

    # -- events ------------------------------------------------------------------------------------------------------

    def send(self, name: str, content: Raw, room: str | None, *, own: bool = False) -> None:
        """Send an event to every connection in a room, or with None to all connections; it is encoded once.

        own  whether it is about the orders of those in the room, and leaves at once
        """
        packet = b'2["%b",%b]' % (name.encode(), bytes(content))  # Socket.IO's type EVENT
        frame = text_frame(b"4" + packet)  # Engine.IO's type MESSAGE
        self._said[own].append(_Message(room, frame, packet.decode()))
        self._fanout.wake(own=own)

    def settle(self) -> None:
        """Hand the events so far to the current members of their rooms, before the membership changes."""
        for own in self._said:
            self._settle(own=own)

    def _settle(self, *, own: bool) -> None:
        said, self._said[own] = self._said[own], []
        if not said:
            return
        # Iterate over copies: a connection found to be gone leaves its rooms at once.
        for rooms, connections in list(self._alike.items()):
            messages = [message for message in said if message.room in rooms]
            if messages:
                frames = b"".join([message.frame for message in messages])
                for connection in list(connections):
                    self._put(connection, messages, frames, own=own)

    def _put(self, connection_id: str, messages: list[_Message], frames: bytes, *, own: bool) -> None:
        connection = self._server.server.eio.sockets.get(connection_id)
        if connection is None or connection.closed:
            return
        outbox = self._outboxes.get(connection_id)
        # Engine.IO's own queue goes first. Polling clients have nothing else; otherwise it is mostly empty.
        if outbox is not None and connection.upgraded and connection.queue.empty():
            outbox.offer(frames, own=own)
            return
        for message in messages:
            self._server.server.eio.send_packet(connection_id, Packet(MESSAGE, message.text))

    # -- connections -------------------------------------------------------------------------------------------------

    def serve_websockets(self) -> None:
        """Make python-engineio use our WebSocket; it has no public setting for this."""
        engine = self._server.server.eio
        engine._async = {**engine._async, "websocket": self._websocket}  # noqa: SLF001

    def _websocket(self, handler: Callable[[SocketIOWebSocket], Iterable[bytes]], _server: object) -> Any:
        """Return the WSGI application that python-engineio calls to upgrade a connection to a WebSocket."""
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

    def end(self, connection_id: str) -> None:
        """End a connection of Engine.IO."""
        connection = self._server.server.eio.sockets.get(connection_id)
        if connection is not None:
            connection.close(wait=False, abort=True)
        outbox = self._outboxes.get(connection_id)
        if outbox is not None:
            outbox.cut()

    def cut_off_slow(self) -> None:
        """End the polling connections for which too much waits."""
        for connection in list(self._server.server.eio.sockets.values()):
            waiting = connection.queue.queue
            characters = sum(len(packet.data or "") for packet in waiting if packet)
            if len(waiting) > MAX_WAITING_PACKETS or characters > MAX_WAITING_CHARACTERS:
                log.warning("subscriber_cut_off", waiting_packets=len(waiting), waiting_characters=characters)
                self._fanout.cut_off += 1
                waiting.clear()
                connection.close(wait=False, abort=True)


def socketio_server(allowed_origins: Sequence[str]) -> SocketIO:
    """Return the server, not yet bound to an application.

    allowed_origins  origins whose pages may connect besides the exchange's own; `*` for all
    """
    return SocketIO(
        # None allows the exchange's own origin, which a list would have to name.
        cors_allowed_origins=partial(_is_allowed, allowed_origins) if allowed_origins else None,
        async_mode="gevent",
        json=JsonOfPackets,
        manage_session=False,
        # In the greenlet that reads from the client, so that its next event waits for the answer to this one.
        async_handlers=False,
        max_http_buffer_size=MAX_MESSAGE_BYTES,
        logger=False,
        engineio_logger=False,
    )


def name_sessions(server: SocketIO, place: int) -> None:
    """Let the ids of new sessions begin with the place of this process, by which the api finds it again."""
    eio = server.server.eio
    generate_id = eio.generate_id
    eio.generate_id = lambda: session_id(place, generate_id())


def _is_allowed(allowed_origins: Sequence[str], origin: str, environ: Mapping[str, Any]) -> bool:
    """Return whether a page of an origin may connect; the exchange's own always may."""
    scheme = environ.get("HTTP_X_FORWARDED_PROTO", environ["wsgi.url_scheme"])
    own = f"{scheme}://{environ.get('HTTP_HOST')}"
    return origin == own or origin in allowed_origins or ANY in allowed_origins


class SocketIOWebSocket:
    """A WebSocket with the interface that python-engineio expects; its messages go through the outbox."""

    def __init__(self, websocket: WebSocket, outbox: Outbox) -> None:
        self._websocket = websocket
        self._outbox = outbox

    def close(self) -> None:
        """Send what waits and close the WebSocket, if it is still connected."""
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
        """Return the next message; None after the last one."""
        try:
            return self._websocket.receive()
        except simple_websocket.ConnectionClosed:
            return None
