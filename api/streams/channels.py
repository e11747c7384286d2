"""Socket.IO: who subscribes to which channel begins with a snapshot and goes on with updates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, get_args

import msgspec
import structlog
from flask import request
from flask_socketio import ConnectionRefusedError as Refused
from flask_socketio import SocketIO, join_room, leave_room
from msgspec import Raw, Struct

from api.listing import Listing
from api.problems import Problem, invalid
from api.streams import access
from api.streams.cancel_on_disconnect import CancelOnDisconnect
from api.streams.forms import Event, content_of
from api.streams.key_watch import KeyWatch
from api.streams.private import Feed, PrivateStreams, everyones_snapshot
from api.streams.public import Channel, PublicStreams
from api.streams.rooms import EVERYONES_REPORTS, room_of
from api.streams.websocket import MAX_MESSAGE_BYTES, SocketIOWebSocket
from db.clearing_data.keys import Identity
from db.connect import Database

log = structlog.get_logger()

PUBLIC_CHANNELS: tuple[Channel, ...] = get_args(Channel)
# Named in the contract, and not served yet.
LATER_CHANNELS = ("candles", "leaderboard", "pipeline")

# What may wait for a client, an event a packet; beyond that it is cut off.
MAX_WAITING_PACKETS = 500

NO_KEY = Problem(401, "unauthorized", "connect with a key in auth, as {api_key: KEY}")
_UNKNOWN_EVENT = Problem(422, "unknown_event", "the events are subscribe and unsubscribe")


class Subscription(Struct, forbid_unknown_fields=True):
    """What a client asks for; without a security, all of them."""

    channel: str
    security_id: str | None = None


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
            if connection.queue.qsize() > MAX_WAITING_PACKETS:
                log.warning("subscriber_cut_off", waiting_packets=connection.queue.qsize())
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


class Channels:
    """Answers what Socket.IO clients ask for; every answer is `{"status": "success"}` or a problem."""

    def __init__(
        self,
        server: SocketIO,
        clearing_data: Database,
        listing: Listing,
        public_streams: PublicStreams,
        private_streams: PrivateStreams,
        key_watch: KeyWatch,
        cancels: CancelOnDisconnect,
    ) -> None:
        self._server = server
        self._clearing_data = clearing_data
        self._listing = listing
        self._public = public_streams
        self._private = private_streams
        self._key_watch = key_watch
        self._cancels = cancels
        self._cancelling: set[str] = set()  # connections whose end cancels their clients' orders
        self._identities: dict[str, Identity] = {}  # by the id of the connection, of those with a key
        self._feeds: dict[str, Feed] = {}
        server.on_event("connect", self._connect)
        server.on_event("disconnect", self._disconnect)
        server.on_event("subscribe", self._answering(self._subscribe))
        server.on_event("unsubscribe", self._answering(self._unsubscribe))
        server.on_event("*", lambda *_: _UNKNOWN_EVENT.content())

    def _connect(self, auth: object = None) -> None:
        """Let a client in: without a key for what is public, never with a wrong one."""
        key = auth.get("api_key") if isinstance(auth, dict) else access.key_of(request)
        connection = _connection()
        try:
            cancels = _asks_for_cancels(auth)
            if key is None and not cancels:
                return
            identity = access.identify(self._clearing_data, key)
            if cancels:
                self._cancels.add(identity)
        except Problem as problem:
            raise Refused(problem.detail, problem.content()) from problem
        if cancels:
            self._cancelling.add(connection)
        self._identities[connection] = identity
        self._key_watch.add(connection, identity.key_id, lambda: self._server.server.disconnect(connection))

    def _disconnect(self, *_reason: str) -> None:
        identity = self._identities.pop(_connection(), None)
        if identity is not None and _connection() in self._cancelling:
            self._cancelling.discard(_connection())
            self._cancels.lost(identity.client_id)
        self._key_watch.remove(_connection())
        self._leave_feed()

    def _answering(self, do: Callable[[Subscription], None]) -> Callable[..., dict[str, Any]]:
        """What Socket.IO calls: checks what the client sent, and answers it."""

        def answer(*sent: object) -> dict[str, Any]:
            try:
                do(self._checked(sent))
            except Problem as problem:
                return problem.content()
            return {"status": "success"}

        return answer

    def _checked(self, sent: tuple[object, ...]) -> Subscription:
        if len(sent) != 1:
            raise invalid("", "give one object")
        try:
            subscription = msgspec.convert(sent[0], Subscription)
        except msgspec.ValidationError as fault:
            raise invalid("", "has to be {channel, security_id}") from fault
        if subscription.channel in LATER_CHANNELS:
            raise Problem(422, "not_supported", f"the channel {subscription.channel} is not served yet")
        if subscription.channel not in (*PUBLIC_CHANNELS, "report"):
            raise invalid("/channel", "is no channel", code="unknown_channel")
        if subscription.security_id is not None and subscription.security_id not in self._listing.all():
            raise invalid("/security_id", "is not listed", code="unknown_security")
        return subscription

    def _subscribe(self, subscription: Subscription) -> None:
        if subscription.channel == "report":
            self._subscribe_reports()
        for channel in PUBLIC_CHANNELS:
            if channel == subscription.channel:
                for security_id in self._securities(subscription):
                    # Nothing waits between the two, so the next update goes on from the snapshot.
                    self._begin(channel, self._public.snapshot(channel, security_id), room_of(channel, security_id))

    def _subscribe_reports(self) -> None:
        """A client gets its own reports, of all securities, as they are numbered together; the admin everyone's."""
        identity = self._identities.get(_connection())
        if identity is None:
            raise NO_KEY
        if identity.role == "admin":
            self._begin("report", everyones_snapshot(), EVERYONES_REPORTS)
            return
        connection = _connection()
        if connection not in self._feeds:
            feed = self._private.open(identity.client_id)
            if connection not in self._identities:
                self._private.close(feed)  # the client went away meanwhile
                return
            self._feeds[connection] = feed
        self._begin("report", self._feeds[connection].snapshot(), room_of("report", identity.client_id))

    def _unsubscribe(self, subscription: Subscription) -> None:
        if subscription.channel == "report":
            identity = self._identities.get(_connection())
            if identity is not None:
                leave_room(room_of("report", identity.client_id))
                leave_room(EVERYONES_REPORTS)
                self._leave_feed()
        else:
            for security_id in self._securities(subscription):
                leave_room(room_of(subscription.channel, security_id))

    def _leave_feed(self) -> None:
        feed = self._feeds.pop(_connection(), None)
        if feed is not None:
            self._private.close(feed)

    def _begin(self, channel: str, snapshot: Event, room: str) -> None:
        self._server.emit(channel, content_of(snapshot), to=_connection())
        join_room(room)

    def _securities(self, subscription: Subscription) -> Iterable[str]:
        return list(self._listing.all()) if subscription.security_id is None else [subscription.security_id]


def _connection() -> str:
    connection: str = request.sid  # type: ignore[attr-defined]  # Flask-SocketIO adds it
    return connection


def _asks_for_cancels(auth: object) -> bool:
    """Whether the end of the connection is to cancel the client's orders. Raises Problem (422)."""
    asks = auth.get("cancel_on_disconnect", False) if isinstance(auth, dict) else False
    if not isinstance(asks, bool):
        raise invalid("/cancel_on_disconnect", "has to be true or false")
    return asks
