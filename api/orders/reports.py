"""Routes of reports: confirmations, denials, trades and settlements of a client's orders."""

from __future__ import annotations

from flask import Blueprint, Response

from api.request import query
from api.request.auth import Keys, reader, whose
from api.request.databases import reading
from api.request.listing import Listing
from api.request.query import CURSOR, LIMIT, WHOSE
from api.wire import outgoing
from api.wire.answers import answer, page
from api.wire.answers_schema.common import Page
from api.wire.answers_schema.orders import Report, Status
from api.wire.declaration import declared
from api.wire.problems import invalid, not_found
from db.connect import Database
from db.market_data import reads


def routes(*, keys: Keys, listing: Listing, market_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("reports", __name__)

    @blueprint.get("/status/<security_id>/<order_id:order_id>")
    @declared("client", "The status of an order, from its reports", gives={200: Status})
    def status(security_id: str, order_id: int) -> Response:
        client_id = reader(keys.identify())
        listing.once_in_path(security_id)
        with reading(market_data) as tx:
            found = reads.order_status(tx, security_id, order_id, client_id=client_id)
        if found is None:
            raise not_found("order")
        return answer({"status": found})

    @blueprint.get("/report/<security_id>/<order_id:order_id>")
    @declared("client", "The last report of an order", gives={200: Report})
    def report(security_id: str, order_id: int) -> Response:
        client_id = reader(keys.identify())
        listing.once_in_path(security_id)
        with reading(market_data) as tx:
            found = reads.last_report(tx, security_id, order_id, client_id=client_id)
        if found is None:
            raise not_found("report")
        return answer(outgoing.report_of(found))

    @blueprint.get("/reports")
    @declared(
        "client", "A client's reports, newest first", parameters=[WHOSE, LIMIT, CURSOR], gives={200: Page[Report]}
    )
    def every() -> Response:
        client_id = whose(keys.identify())
        if client_id is None:
            raise invalid("?client_id", "is required with the admin's key")
        limit, before = query.limit(), query.cursor()
        with reading(market_data) as tx:
            found = reads.reports(tx, client_id, before=reads.NEWEST if before is None else before, limit=limit)
        return page(found, outgoing.report_of, limit=limit, cursor=lambda one: one.sequence)

    return blueprint
