"""Routes of orders that are given: placing, replacing and cancelling them, one, many or all."""

from __future__ import annotations

from typing import Any, get_args

from flask import Blueprint, Response, request

from api.orders.intake.desk import Entry, OrderDesk
from api.orders.lookup import OrderLookup
from api.orders.placing import Placing, Told
from api.request import query
from api.request.auth import Keys, whose
from api.request.body import read_json
from api.request.listing import Listing
from api.wire import schema
from api.wire.answers import answer
from api.wire.answers_schema.orders import Duplicate, MassCancelled, Results, Submitted
from api.wire.declaration import Parameter, declared
from api.wire.problems import invalid
from api.wire.schema import Cancel, NewTerms, Replace
from api.wire.shapes import shape_of
from celery_app.clock import now_us
from db.clearing_data.keys import Identity
from tasks.messages import Side

_SIDES: tuple[Side, ...] = get_args(Side)
_FILTERS = (query.SECURITY, Parameter("side", Side, "of this side only"), query.WHOSE)
_FILTER_NAMES = {parameter.name for parameter in _FILTERS}


def routes(*, keys: Keys, desk: OrderDesk, lookup: OrderLookup, listing: Listing, placing: Placing) -> Blueprint:
    """The routes, on these services."""
    blueprint = Blueprint("orders", __name__)

    @blueprint.post("/orders")
    @declared(
        "client_write",
        "Place an order, cancel or replace one, or do many of these in the order given",
        takes=schema.Body,
        gives={200: Duplicate, 202: Submitted | Results},
        refuses=[409],
    )
    def place() -> Response:
        # In a running api the fast lane answers this before Flask.
        return written(placing.post(request.environ))

    @blueprint.patch("/orders/<security_id>/<order_id:order_id>")
    @declared("client_write", "Give an order other terms", takes=NewTerms, gives={202: Submitted})
    def replace(security_id: str, order_id: int) -> Response:
        received_us = now_us()
        identity = keys.identify()
        terms = shape_of(read_json(), NewTerms)
        listing.in_path(security_id)
        # Constructed and not validated: the price is in cents already.
        asked = Replace.model_construct(
            type="replace",
            security_id=security_id,
            order_id=order_id,
            quantity=terms.quantity,
            price=terms.price,
            client_id=owner(identity, security_id, order_id),
        )
        return written(placing.hand_in(Entry(asked), identity, received_us))

    @blueprint.delete("/orders/<security_id>/<order_id:order_id>")
    @declared("client_write", "Cancel what is open of an order", gives={202: Submitted}, refuses=[422])
    def cancel(security_id: str, order_id: int) -> Response:
        received_us = now_us()
        identity = keys.identify()
        listing.in_path(security_id)
        client_id = owner(identity, security_id, order_id)
        asked = Cancel(type="cancel", security_id=security_id, order_id=order_id, client_id=client_id)
        return written(placing.hand_in(Entry(asked), identity, received_us))

    @blueprint.delete("/orders")
    @declared("client_write", "Cancel all orders, or some", parameters=_FILTERS, gives={202: MassCancelled})
    def cancel_all() -> Response:
        received_us = now_us()
        identity = keys.identify()
        # A filter that is misspelt or in the wrong place would be none, and all orders would go.
        if unknown := request.args.keys() - _FILTER_NAMES:
            raise invalid("?", f"has {len(unknown)} parameters that are none of {', '.join(sorted(_FILTER_NAMES))}")
        if request.environ["CONTENT_LENGTH"] != "0":
            raise invalid("", "filters are parameters; there is no body")
        client_id = whose(identity)
        if client_id is None:
            raise invalid("?client_id", "the admin has to say whose orders")
        security_id, side = request.args.get("security_id"), _side()
        if security_id is not None and security_id not in listing.all():
            raise invalid("?security_id", "is not listed", code="unknown_security")
        numbers, allowance = desk.cancel_all(
            client_id, identity, security_id=security_id, side=side, received_us=received_us
        )
        content: dict[str, Any] = {
            "status": "success",
            "client_id": client_id,
            "security_id": security_id,
            "side": side,
            "command_ids": numbers,
            "message": "mass cancel submitted",
        }
        return answer(content, 202, allowance.headers())

    def written(told: Told) -> Response:
        return answer(told.content, told.status, told.headers)

    def owner(identity: Identity, security_id: str, order_id: int) -> str | None:
        """Whose order it is, where the key does not say so; a client's request finds only that client's orders."""
        return lookup.find(identity, security_id, order_id).client_id if identity.role == "admin" else None

    return blueprint


def _side() -> Side | None:
    text = request.args.get("side")
    for side in _SIDES:
        if side == text:
            return side
    if text is not None:
        raise invalid("?side", "has to be buy or sell")
    return None
