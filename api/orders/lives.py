"""Routes of the life of an order: its time in the queue of each stage, and the time that each stage worked on it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from api.orders.life import Life, life_of
from api.request.auth import Keys, reader
from api.request.databases import reading
from api.request.listing import Listing
from api.request.shared import SharedValue
from api.wire.answers import answer
from api.wire.answers_schema import orders as answers_schema
from api.wire.declaration import declared
from api.wire.outgoing import dollars_or_none, time_of, trade_id
from api.wire.problems import not_found
from db.connect import Database
from db.market_data import lives
from tasks.data_feed.rules.rows import Report

# All requests within this time share one query [s].
REMEMBER_S = 1.0


def routes(*, keys: Keys, listing: Listing, market_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("lives", __name__)
    latest = SharedValue(lambda: _latest(market_data), remember_s=REMEMBER_S)

    @blueprint.get("/orders/<security_id>/<order_id:order_id>/life")
    @declared("client", "The life of an order, stage by stage", gives={200: answers_schema.Life})
    def of_order(security_id: str, order_id: int) -> Response:
        client_id = reader(keys.identify())
        listing.once_in_path(security_id)
        with reading(market_data) as tx:
            life = life_of(lives.life_reports(tx, security_id, order_id, client_id=client_id))
        if life is None:
            raise not_found("order")
        return answer(_form(life, order_id))

    @blueprint.get("/life")
    @declared(
        "public",
        "The life of a recent order that traded at once, without its owner",
        gives={200: answers_schema.Life},
        refuses=[404],
    )
    def of_latest() -> Response:
        life = latest.get()
        if life is None:
            raise not_found("order: none has traded yet")
        return answer(_form(life, None))

    return blueprint


def _latest(market_data: Database) -> Life | None:
    with reading(market_data) as tx:
        found = lives.traded_order(tx)
        return life_of(lives.life_reports(tx, *found, client_id=None)) if found else None


def _form(life: Life, order_id: int | None) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "security_id": life.security_id,
        "started_at": time_of(life.started_us),
        "total_ms": life.total_us / 1_000,
        "spans": [
            {
                "stage": span.stage,
                "part": span.part,
                "what": span.what,
                "start_ms": span.start_us / 1_000,
                "end_ms": span.end_us / 1_000,
            }
            for span in life.spans
        ],
        "trade": _trade_form(life.trade) if life.trade else None,
    }


def _trade_form(trade: Report) -> dict[str, Any]:
    return {
        "trade_id": trade_id(trade.report_id),
        "price": dollars_or_none(trade.price_cents),
        "quantity": trade.quantity,
    }
