"""Routes that place, replace and cancel orders: one, many or all."""

from __future__ import annotations

from typing import Any, get_args

from flask import Blueprint, Response, request

from api.orders.endpoint import OrderEndpoint, Reply
from api.orders.intake.gateway import OrderGateway, Submission
from api.orders.lookup import OrderLookup
from api.request import query
from api.request.auth import Keys, whose
from api.request.body import read_json
from api.request.listing import Listing
from api.wire import order_bodies
from api.wire.answers import answer
from api.wire.answers_schema.orders import Duplicate, MassCancelled, Results, Submitted
from api.wire.declaration import Parameter, declared
from api.wire.order_bodies import Cancel, Price, Replace
from api.wire.problems import invalid, not_listed
from api.wire.schema import NewTerms
from api.wire.shapes import shape_of
from celery_app.clock import now_us
from db.clearing_data.clients.keys import Identity
from tasks.messages import Side

_SIDES: tuple[Side, ...] = get_args(Side)
_FILTERS = (query.SECURITY, Parameter("side", Side, "only orders of this side"), query.WHOSE)


def routes(
    *, keys: Keys, gateway: OrderGateway, lookup: OrderLookup, listing: Listing, endpoint: OrderEndpoint
) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("orders", __name__)

    @blueprint.post("/orders")
    @declared(
        "client_write",
        "Place, replace or cancel an order, or many of them in the order given",
        takes=order_bodies.Body,
        gives={200: Duplicate, 202: Submitted | Results},
        refuses=[409],
    )
    def place() -> Response:
        # In a running api the fast lane answers this request before Flask sees it.
        return written(endpoint.post(request.environ))

    @blueprint.patch("/orders/<security_id>/<order_id:order_id>")
    @declared("client_write", "Replace the terms of an order", takes=NewTerms, gives={202: Submitted})
    def replace(security_id: str, order_id: int) -> Response:
        received_us = now_us()
        identity = keys.identify()
        terms = shape_of(read_json(), NewTerms)
        listing.in_path(security_id)
        price = None if terms.price is None else Price(terms.price)
        asked = Replace(security_id, order_id, terms.quantity, price, owner(identity, security_id, order_id))
        return written(endpoint.submit(Submission(asked), identity, received_us))

    @blueprint.delete("/orders/<security_id>/<order_id:order_id>")
    @declared("client_write", "Cancel the open quantity of an order", gives={202: Submitted}, refuses=[422])
    def cancel(security_id: str, order_id: int) -> Response:
        received_us = now_us()
        identity = keys.identify()
        listing.in_path(security_id)
        asked = Cancel(security_id, order_id, owner(identity, security_id, order_id))
        return written(endpoint.submit(Submission(asked), identity, received_us))

    @blueprint.delete("/orders")
    @declared(
        "client_write",
        "Cancel all open orders, or those that match the filters",
        parameters=_FILTERS,
        gives={202: MassCancelled},
    )
    def cancel_all() -> Response:
        received_us = now_us()
        identity = keys.identify()
        # A misplaced filter would have no effect, and the request would cancel all orders.
        if request.environ["CONTENT_LENGTH"] != "0":
            raise invalid("", "must be empty: filters go into the query string")
        client_id = whose(identity)
        if client_id is None:
            raise invalid("?client_id", "is required with the admin's key")
        security_id, side = request.args.get("security_id"), _side()
        if security_id is not None and security_id not in listing.all():
            raise invalid("?security_id", not_listed(listing.all()), code="unknown_security")
        numbers, allowance = gateway.cancel_all(
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

    def written(reply: Reply) -> Response:
        return answer(reply.content, reply.status, reply.headers)

    def owner(identity: Identity, security_id: str, order_id: int) -> str | None:
        """Return the owner of an order to the admin; a client's key is limited to its own orders anyway."""
        return lookup.find(identity, security_id, order_id).client_id if identity.role == "admin" else None

    return blueprint


def _side() -> Side | None:
    text = request.args.get("side")
    for side in _SIDES:
        if side == text:
            return side
    if text is not None:
        raise invalid("?side", "must be buy or sell")
    return None
