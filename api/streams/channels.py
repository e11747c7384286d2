"""Socket.IO's channels: a subscriber gets a snapshot, then updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import gevent
import msgspec
from flask import request
from flask_socketio import ConnectionRefusedError as Refused
from flask_socketio import SocketIO
from msgspec import Raw, Struct

from api.request.listing import Listing
from api.streams.clients import access
from api.streams.clients.cancel_on_disconnect import CancelOnDisconnect
from api.streams.clients.caps import Caps, SubscriptionBudget
from api.streams.clients.key_watch import KeyWatch
from api.streams.feed.board import Board
from api.streams.feed.forms import content_of
from api.streams.feed.news import NewsStream
from api.streams.feed.private import PrivateStreams
from api.streams.feed.report_readers import ReportReaders
from api.streams.sockets.rooms import room_of
from api.streams.sockets.socketio_rooms import SocketIORooms
from api.wire.problems import Problem, invalid
from db.clearing_data.clients.keys import Identity
from db.connect import Database

NO_KEY = Problem(401, "unauthorized", "connect with a key in auth, as {api_key: KEY}")
# The limit of one connection, in channels times securities.
MAX_SUBSCRIPTIONS = 1_000
# The time between two looks for newly listed securities [s].
FOLLOW_EVERY_S = 0.25
_TOO_MANY = Problem(
    429, "too_many_subscriptions", f"a connection may have {MAX_SUBSCRIPTIONS} subscriptions; unsubscribe first"
)
_UNKNOWN_EVENT = Problem(422, "unknown_event", "unknown event: send subscribe or unsubscribe")


class Subscription(Struct, forbid_unknown_fields=True):
    """A client's subscription; without a security it means all of them."""

    channel: str
    security_id: str | None = None


class Channels:
    """Handles the events of Socket.IO clients; each answer is `{"status": "success"}` or a problem.

    by_security  functions that return the snapshot of a security, for the channels that have a room for each security
    boards       the channels about the whole exchange
    """

    def __init__(
        self,
        server: SocketIO,
        rooms: SocketIORooms,
        clearing_data: Database,
        listing: Listing,
        by_security: Mapping[str, Callable[[str], Raw]],
        boards: Sequence[Board | NewsStream],
        private_streams: PrivateStreams,
        key_watch: KeyWatch,
        cancels: CancelOnDisconnect,
        caps: Caps,
    ) -> None:
        self._server = server
        self._rooms = rooms
        self._clearing_data = clearing_data
        self._listing = listing
        self._by_security = by_security
        self._boards = {board.channel: board for board in boards}
        self._private = private_streams
        self._key_watch = key_watch
        self._cancels = cancels
        self._caps = caps
        self._budgets: dict[str, SubscriptionBudget] = {}
        self._identities: dict[str, Identity] = {}  # by connection, for the clients with a key
        self._reports: dict[str, ReportReaders] = {}  # by connection, for those that subscribe to reports
        self._of_all: dict[str, set[str]] = {}  # by connection, the channels subscribed for all securities
        self._followed: set[str] = set()  # the securities that these connections have joined
        server.on_event("connect", self._connect)
        server.on_event("disconnect", self._disconnect)
        server.on_event("subscribe", self._answering(self._subscribe))
        server.on_event("unsubscribe", self._answering(self._unsubscribe))
        server.on_event("*", lambda *_: _UNKNOWN_EVENT.content())

    def _connect(self, auth: object = None) -> None:
        """Admit a client: without a key to public channels, with a wrong key to none."""
        connection = _connection()

        def end() -> None:
            self._server.server.disconnect(connection)

        try:
            key = auth.get("api_key") if isinstance(auth, dict) else access.key_of(request)
            cancels = _asks_for_cancels(auth)
            if key is None and not cancels:
                self._open(connection)
                return
            identity = access.identify(self._clearing_data, key)
            if cancels:
                self._cancels.add(connection, identity, end)
        except Problem as problem:
            raise Refused(problem.detail, problem.content()) from problem
        self._identities[connection] = identity
        self._open(connection)
        self._caps.has_key(self._rooms.engine_id(connection))
        self._key_watch.add(connection, identity.key_id, end)

    def _open(self, connection: str) -> None:
        self._rooms.open(connection)
        self._budgets[connection] = SubscriptionBudget()

    def _disconnect(self, *_reason: str) -> None:
        self._rooms.close(_connection())
        self._budgets.pop(_connection(), None)
        self._of_all.pop(_connection(), None)
        self._identities.pop(_connection(), None)
        self._cancels.lost(_connection())
        self._key_watch.remove(_connection())
        self._leave_reports()

    def _answering(self, do: Callable[[Subscription], None]) -> Callable[..., dict[str, Any]]:
        """Return the handler for Socket.IO: it validates the event, runs the action, and answers."""

        def answer(*sent: object) -> dict[str, Any]:
            try:
                do(self._checked(sent))
            except Problem as problem:
                return problem.content()
            return {"status": "success"}

        return answer

    def _checked(self, sent: tuple[object, ...]) -> Subscription:
        if len(sent) != 1:
            raise invalid("", "must be one object")
        try:
            subscription = msgspec.convert(sent[0], Subscription)
        except msgspec.ValidationError as fault:
            raise invalid("", "must be {channel, security_id}") from fault
        if subscription.channel not in {*self._by_security, *self._boards, "report"}:
            raise invalid("/channel", "is not a channel", code="unknown_channel")
        if subscription.security_id is not None and subscription.security_id not in self._listing.all():
            raise invalid("/security_id", "is not listed", code="unknown_security")
        return subscription

    def _subscribe(self, subscription: Subscription) -> None:
        channel = subscription.channel
        snapshots = len(self._listing.all()) if channel in self._by_security and not subscription.security_id else 1
        if self._rooms.count_of(_connection()) + snapshots > MAX_SUBSCRIPTIONS:
            raise _TOO_MANY
        self._budgets[_connection()].take(snapshots)
        # Nothing runs between the snapshot and the entry, so the next update continues the snapshot.
        if channel == "report":
            self._subscribe_reports()
        elif channel in self._boards:
            self._begin(channel, self._boards[channel].snapshot(), channel)
        else:
            if subscription.security_id is None:
                self._followed |= self._listing.all().keys() if not self._of_all else set()
                self._of_all.setdefault(_connection(), set()).add(channel)
            for security_id in self._securities(subscription):
                self._begin_security(_connection(), channel, security_id)

    def _subscribe_reports(self) -> None:
        """Subscribe a client to its own reports, numbered over all securities, and the admin to all reports."""
        identity = self._identities.get(_connection())
        if identity is None:
            raise NO_KEY
        connection = _connection()
        if connection not in self._reports:
            readers = self._private.open(None if identity.role == "admin" else identity.client_id)
            if connection not in self._identities:
                self._private.close(readers)  # the client disconnected meanwhile
                return
            if connection in self._reports:
                self._private.close(readers)  # another request of a polling client was faster
            else:
                self._reports[connection] = readers
        readers = self._reports[connection]
        self._begin("report", content_of(readers.snapshot()), readers.room)

    def _unsubscribe(self, subscription: Subscription) -> None:
        if subscription.channel == "report":
            self._leave_reports()
        elif subscription.channel in self._boards:
            self._rooms.leave(_connection(), subscription.channel)
        else:
            if subscription.security_id is None:
                self._of_all.get(_connection(), set()).discard(subscription.channel)
            for security_id in self._securities(subscription):
                self._rooms.leave(_connection(), room_of(subscription.channel, security_id))

    def _leave_reports(self) -> None:
        readers = self._reports.pop(_connection(), None)
        if readers is not None:
            self._rooms.leave(_connection(), readers.room)
            self._private.close(readers)

    def _begin(self, channel: str, snapshot: Raw, room: str) -> None:
        self._enter(_connection(), channel, snapshot, room)
        self._caps.has_subscribed(self._rooms.engine_id(_connection()))

    def _begin_security(self, connection: str, channel: str, security_id: str) -> None:
        self._enter(connection, channel, self._by_security[channel](security_id), room_of(channel, security_id))
        self._caps.has_subscribed(self._rooms.engine_id(connection))

    def _enter(self, connection: str, channel: str, snapshot: Raw, room: str) -> None:
        self._rooms.settle()  # a member that subscribes again first gets the updates behind the snapshot
        self._server.emit(channel, snapshot, to=connection)
        self._rooms.enter(connection, room)

    def follow_listing(self) -> None:
        """Add subscribers to all securities to the ones listed later, for ever."""
        while True:
            gevent.sleep(FOLLOW_EVERY_S)
            if not self._of_all:
                self._followed.clear()
                continue
            for security_id in sorted(self._listing.all().keys() - self._followed):
                self._followed.add(security_id)
                for connection, channels in list(self._of_all.items()):
                    for channel in sorted(channels):
                        if self._rooms.count_of(connection) < MAX_SUBSCRIPTIONS:
                            self._begin_security(connection, channel, security_id)

    def _securities(self, subscription: Subscription) -> Iterable[str]:
        return list(self._listing.all()) if subscription.security_id is None else [subscription.security_id]


def _connection() -> str:
    connection: str = request.sid  # type: ignore[attr-defined]  # Flask-SocketIO adds it
    return connection


def _asks_for_cancels(auth: object) -> bool:
    """Return whether the end of the connection cancels the client's orders. Raises Problem (422)."""
    asks = auth.get("cancel_on_disconnect", False) if isinstance(auth, dict) else False
    if not isinstance(asks, bool):
        raise invalid("/cancel_on_disconnect", "must be true or false")
    return asks
