"""Routes of market data, which are public."""

from __future__ import annotations

from typing import Annotated, Literal

from flask import Blueprint, Response
from pydantic import Field

from api.request import query
from api.request.databases import reading
from api.request.listing import Listing
from api.request.query import CURSOR, LIMIT
from api.wire import outgoing
from api.wire.answers import answer, page
from api.wire.answers_schema import market as answers_schema
from api.wire.answers_schema.common import Page, Rows
from api.wire.answers_schema.market import Candle, Security, Trade
from api.wire.declaration import Parameter, declared
from db.connect import Database
from db.market_data import reads
from tasks.data_feed.rules.candles import CANDLE_SECONDS
from tasks.data_feed.rules.rows import Book, Price

DEFAULT_DEPTH = 10
DEFAULT_CANDLES = 100

_DEPTH = Parameter("depth", Annotated[int, Field(ge=1, le=query.MAX_LIMIT)], f"levels, {DEFAULT_DEPTH} by default")
_INTERVAL = Parameter("interval", Literal[tuple(CANDLE_SECONDS)], "of each candle, 1m by default")


def routes(*, listing: Listing, market_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("market_data", __name__)

    @blueprint.get("/securities")
    @declared("public", "The listed securities", gives={200: Rows[Security]})
    def securities() -> Response:
        return answer({"data": [outgoing.security_of(security) for security in listing.all().values()]})

    @blueprint.get("/price/<security_id>")
    @declared("public", "Best and last prices", gives={200: answers_schema.Price})
    def price(security_id: str) -> Response:
        listing.once_in_path(security_id)
        with reading(market_data) as tx:
            found = reads.price(tx, security_id)
        return answer(outgoing.price_of(found or Price(security_id, 0, None, None, None, 0)))

    @blueprint.get("/book/<security_id>")
    @declared("public", "An order book", parameters=[_DEPTH], gives={200: answers_schema.Book})
    def book(security_id: str) -> Response:
        listing.once_in_path(security_id)
        depth = query.number("depth", default=DEFAULT_DEPTH, least=1, most=query.MAX_LIMIT)
        with reading(market_data) as tx:
            found = reads.book(tx, security_id, depth=depth)
        return answer(outgoing.book_of(found or Book(security_id, 0, 0, [], [])))

    @blueprint.get("/trades/<security_id>")
    @declared("public", "Trades, newest first", parameters=[LIMIT, CURSOR], gives={200: Page[Trade]})
    def trades(security_id: str) -> Response:
        listing.once_in_path(security_id)
        limit, before = query.limit(), query.cursor()
        with reading(market_data) as tx:
            found = reads.trades(tx, security_id, before=reads.NEWEST if before is None else before, limit=limit)
        return page(found, outgoing.trade_of, limit=limit, cursor=lambda trade: trade.sequence)

    @blueprint.get("/candles/<security_id>")
    @declared(
        "public",
        "The latest candles with trades in them, oldest first",
        parameters=[_INTERVAL, LIMIT],
        gives={200: Rows[Candle]},
    )
    def candles(security_id: str) -> Response:
        listing.once_in_path(security_id)
        interval = query.choice("interval", tuple(CANDLE_SECONDS), default="1m")
        limit = query.number("limit", default=DEFAULT_CANDLES, least=1, most=query.MAX_LIMIT)
        with reading(market_data) as tx:
            found = reads.candles(tx, security_id, interval_s=CANDLE_SECONDS[interval], limit=limit)
        return answer({"data": [outgoing.candle_of(candle) for candle in found]})

    return blueprint
