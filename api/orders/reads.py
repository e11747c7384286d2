"""Routes that read orders: one order, pages of orders, and their fills."""

from __future__ import annotations

import re
from typing import Any, get_args

from flask import Blueprint, Response

from api.orders.lookup import OrderLookup
from api.request import query
from api.request.auth import Keys, whose
from api.request.databases import reading
from api.request.listing import Listing
from api.wire import outgoing
from api.wire.answers import answer, page
from api.wire.answers_schema import orders as answers_schema
from api.wire.answers_schema.common import Page
from api.wire.declaration import Parameter, declared
from api.wire.problems import not_found
from api.wire.schema import NAME_PATTERN
from db.clearing_data.log import orders as register
from db.clearing_data.log.orders import OrderFilter
from db.clearing_data.rows import Order
from db.connect import Database
from tasks.messages import OrderRequest

_CLIENT_ORDER_ID = re.compile(NAME_PATTERN)
_FILTERS: tuple[OrderFilter, ...] = get_args(OrderFilter)

_STATUS = Parameter("status", OrderFilter, "only orders with this status; all by default")
_PAGE = (query.WHOSE, query.SECURITY, query.LIMIT, query.CURSOR)


def routes(*, keys: Keys, lookup: OrderLookup, listing: Listing, clearing_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("order_reads", __name__)

    @blueprint.get("/orders/<security_id>/<order_id:order_id>")
    @declared("client", "An order and its status", gives={200: answers_schema.Order})
    def one(security_id: str, order_id: int) -> Response:
        return answer(_form(lookup.find(keys.identify(), security_id, order_id)))

    @blueprint.get("/orders/by-client-id/<client_order_id>")
    @declared("client", "An order by the client's own id", parameters=[query.WHOSE], gives={200: answers_schema.Order})
    def by_client_order_id(client_order_id: str) -> Response:
        identity = keys.identify()
        client_id = whose(identity) or identity.client_id
        if not _CLIENT_ORDER_ID.fullmatch(client_order_id):
            raise not_found("order")
        return answer(_form(lookup.find_by_client_order_id(client_id, client_order_id)))

    @blueprint.get("/orders")
    @declared("client", "Orders, newest first", parameters=[_STATUS, *_PAGE], gives={200: Page[answers_schema.Order]})
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
    @declared("client", "Settled trades, newest first", parameters=_PAGE, gives={200: Page[answers_schema.Fill]})
    def fills() -> Response:
        identity = keys.identify()
        limit = query.limit()
        client_id, security_id, before = whose(identity), query.security(listing), query.cursor()
        with reading(clearing_data) as tx:
            found = register.fills_page(
                tx, client_id=client_id, security_id=security_id, before_entry_id=before, limit=limit
            )
        return page(found, outgoing.fill_of, limit=limit, cursor=lambda fill: fill.entry_id)

    return blueprint


def _form(order: Order | OrderRequest) -> dict[str, Any]:
    return outgoing.order_of(order) if isinstance(order, Order) else outgoing.pending_order_of(order)
