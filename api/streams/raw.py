"""The raw WebSocket streams: one JSON object in each message, from the server only."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from flask import Blueprint, Response, request

from api.request import query
from api.request.listing import Listing
from api.streams.clients import access
from api.streams.clients.cancel_on_disconnect import CancelOnDisconnect
from api.streams.clients.key_watch import KeyWatch
from api.streams.feed.private import PrivateStreams
from api.streams.feed.public import PublicStreams
from api.streams.sockets.fanout import Fanout
from api.streams.sockets.subscriber import Subscriber
from api.streams.sockets.websocket import WebSocket
from api.wire.declaration import Parameter, declared
from db.connect import Database


def routes(
    *,
    fanout: Fanout,
    listing: Listing,
    clearing_data: Database,
    public_streams: PublicStreams,
    private_streams: PrivateStreams,
    key_watch: KeyWatch,
    cancels: CancelOnDisconnect,
) -> Blueprint:
    """Return the routes; each answers after its WebSocket has ended, or with a problem instead."""
    blueprint = Blueprint("raw", __name__)

    @blueprint.route("/stream/price", websocket=True)
    @declared("public", "Prices as they change", gives={})
    def price() -> Response:
        query.require_known({"security_id"})
        security_id = query.security(listing)
        subscriber = Subscriber(fanout)
        return _serve(subscriber, public_streams.subscribed(subscriber, security_id))

    @blueprint.route("/stream/report", websocket=True)
    @declared(
        "client",
        "Reports of a client as they come",
        gives={},
        parameters=[Parameter("cancel_on_disconnect", bool, "whether to cancel all orders when the connection ends")],
    )
    def report() -> Response:
        query.require_known({"api_key", "cancel_on_disconnect"})
        identity = access.identify(clearing_data, access.key_of(request))
        client_id = None if identity.role == "admin" else identity.client_id
        asked = query.choice("cancel_on_disconnect", ("false", "true"), default="false") == "true"
        subscriber = Subscriber(fanout)
        with (
            key_watch.watching(subscriber, identity.key_id, subscriber.cut),
            cancels.watching(subscriber, identity, subscriber.cut) if asked else nullcontext(),
        ):
            return _serve(subscriber, private_streams.subscribed(subscriber, client_id))

    return blueprint


def _serve(subscriber: Subscriber, subscribed: AbstractContextManager[None]) -> Response:
    with subscribed:
        subscriber.serve(WebSocket(request.environ))
    return _Ended()


class _Ended(Response):
    """An empty response, sent to no client: the WebSocket has ended."""

    def __call__(self, *_: Any) -> list[bytes]:
        return []
