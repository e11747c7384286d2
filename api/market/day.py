"""Routes of auctions and of news."""

from __future__ import annotations

import time

from flask import Blueprint, Response

from api.request import query
from api.request.body import read_json
from api.request.databases import reading, writing
from api.request.listing import Listing
from api.request.query import CURSOR, LIMIT
from api.wire.answers import answer, page
from api.wire.answers_schema.common import Page
from api.wire.auctions import auction_of, news_of
from api.wire.declaration import declared
from api.wire.problems import invalid
from api.wire.security_answers import Auction, News
from api.wire.security_bodies import NewNews
from api.wire.shapes import shape_of
from db.connect import Database
from db.market_data import day_store, news


def routes(*, listing: Listing, market_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("day", __name__)

    @blueprint.get("/auction/<security_id>")
    @declared("public", "The outcome of a security's auction if it ended now", gives={200: Auction})
    def auction(security_id: str) -> Response:
        security = listing.in_path(security_id)
        with reading(market_data) as tx:
            found = day_store.auction(tx, security_id)
        return answer({"security_id": security_id, **auction_of(security.phase, security.phase_ends_us, found)})

    @blueprint.post("/news")
    @declared("admin", "Publish news", takes=NewNews, gives={201: News})
    def publish() -> Response:
        wanted = shape_of(read_json(), NewNews)
        for name in ("headline", "body"):
            text = getattr(wanted, name)
            if text is not None and "\0" in text:
                raise invalid(f"/{name}", "must not contain the character NUL")
        if wanted.security_id is not None and not listing.was_ever(wanted.security_id):
            raise invalid("/security_id", "is not listed", code="unknown_security")
        with writing(market_data) as tx:
            published = news.publish(
                tx,
                headline=wanted.headline,
                body=wanted.body,
                security_id=wanted.security_id,
                now_us=time.time_ns() // 1_000,
            )
        return answer(news_of(published), 201)

    @blueprint.get("/news")
    @declared("public", "News, newest first", parameters=[LIMIT, CURSOR], gives={200: Page[News]})
    def every() -> Response:
        limit, before = query.limit(), query.cursor()
        with reading(market_data) as tx:
            found = news.news(tx, before=news.NEWEST if before is None else before, limit=limit)
        return page(found, news_of, limit=limit, cursor=lambda one: one.news_id)

    return blueprint
