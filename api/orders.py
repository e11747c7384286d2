"""Routes of orders: placing and cancelling them, and what became of them."""

from __future__ import annotations

import re
import time
from typing import Any, get_args

from flask import Blueprint, Response

from api import outgoing, query
from api.accepted import Accepted
from api.answers import answer, page
from api.auth import Keys, whose
from api.body import read_json
from api.databases import reading
from api.listing import Listing
from api.order_desk import Entry, OrderDesk
from api.problems import Problem, invalid, not_found
from api.schema import Cancel, request_of, requests_of
from db.clearing_data import orders as register
from db.clearing_data.keys import Identity
from db.clearing_data.orders import OrderFilter
from db.clearing_data.rows import Order
from db.connect import Database
from tasks.messages import OrderRequest

_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9._:-]{1,48}")
_FILTERS: tuple[OrderFilter, ...] = get_args(OrderFilter)


def routes(
    *,
    keys: Keys,
    desk: OrderDesk,
    listing: Listing,
    accepted: Accepted,
    clearing_data: Database,
    max_request_orders: int,
) -> Blueprint:
    """The routes, on these services."""
    blueprint = Blueprint("orders", __name__)

    @blueprint.post("/orders")
    def place() -> Response:
        received_us = _now_us()
        identity = keys.identify()
        content = read_json()
        if not isinstance(content, list):
            entry = Entry(request_of(content))
            desk.take([entry], identity, received_us=received_us)
            if entry.problem is not None:
                raise entry.problem
            return answer(entry.answer(), 200 if entry.duplicate else 202)
        if not 1 <= len(content) <= max_request_orders:
            raise invalid("", f"an array has 1 to {max_request_orders} requests")
        entries = [Entry(asked, f"/{position}") for position, asked in enumerate(requests_of(content))]
        desk.take(entries, identity, received_us=received_us)
        results = [entry.problem.content() if entry.problem else entry.answer() for entry in entries]
        return answer({"status": "success", "results": results}, 202)

    @blueprint.delete("/orders/<security_id>/<order_id:order_id>")
    def cancel(security_id: str, order_id: int) -> Response:
        received_us = _now_us()
        identity = keys.identify()
        listing.in_path(security_id)
        # The admin's key says nothing about whose order it is; a client's cancel finds only that client's orders.
        owner = find(identity, security_id, order_id).client_id if identity.role == "admin" else None
        entry = Entry(Cancel(type="cancel", security_id=security_id, order_id=order_id, client_id=owner))
        desk.take([entry], identity, received_us=received_us)
        if entry.problem is not None:
            raise entry.problem
        return answer(entry.answer(), 202)

    @blueprint.delete("/orders")
    @blueprint.patch("/orders/<security_id>/<order_id:order_id>")
    def not_supported(**_: object) -> Response:
        keys.identify()
        raise Problem(422, "not_supported", "this cannot be done yet: cancel single orders and send new ones")

    @blueprint.get("/orders/<security_id>/<order_id:order_id>")
    def one(security_id: str, order_id: int) -> Response:
        return answer(_form(find(keys.identify(), security_id, order_id)))

    @blueprint.get("/orders/by-client-id/<client_order_id>")
    def by_client_order_id(client_order_id: str) -> Response:
        identity = keys.identify()
        client_id = whose(identity) or identity.client_id
        if not _CLIENT_ORDER_ID.fullmatch(client_order_id):
            raise not_found("order")
        with reading(clearing_data) as tx:
            promise = register.promised(tx, client_id, client_order_id)
            found = register.order(tx, promise.order_id) if promise else None
        pending = accepted.order(promise.order_id) if promise else None
        order = found or pending
        if order is None:
            raise not_found("order")
        return answer(_form(order))

    @blueprint.get("/orders")
    def every() -> Response:
        identity = keys.identify()
        status = query.choice("status", _FILTERS, default="all")
        limit = query.limit()
        client_id, security_id, before = whose(identity), query.security(listing), query.cursor()
        with reading(clearing_data) as tx:
            found = register.orders_page(
                tx,
                client_id=client_id,
                status=status,
                security_id=security_id,
                before_order_id=before,
                limit=limit,
            )
        return page(found, outgoing.order_of, limit=limit, cursor=lambda order: order.order_id)

    @blueprint.get("/fills")
    def fills() -> Response:
        identity = keys.identify()
        limit = query.limit()
        client_id, security_id, before = whose(identity), query.security(listing), query.cursor()
        with reading(clearing_data) as tx:
            found = register.fills_page(
                tx, client_id=client_id, security_id=security_id, before_entry_id=before, limit=limit
            )
        return page(found, outgoing.fill_of, limit=limit, cursor=lambda fill: fill.entry_id)

    def find(identity: Identity, security_id: str, order_id: int) -> Order | OrderRequest:
        with reading(clearing_data) as tx:
            found = register.order(tx, order_id) or accepted.order(order_id)
        if (
            found is None
            or found.security_id != security_id
            or (identity.role != "admin" and found.client_id != identity.client_id)
        ):
            raise not_found("order")
        return found

    return blueprint


def _form(order: Order | OrderRequest) -> dict[str, Any]:
    return outgoing.order_of(order) if isinstance(order, Order) else outgoing.pending_order_of(order)


def _now_us() -> int:
    return time.time_ns() // 1_000
