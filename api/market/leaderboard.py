"""Routes of the leaderboard: the clients by their equity, and their equity over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import gevent
from flask import Blueprint, Response
from pydantic import Field

from api.market.equity_curves import EquityCurves
from api.request import query
from api.request.databases import reading
from api.request.shared import SharedValue
from api.wire import outgoing
from api.wire.answers import encode
from api.wire.answers_schema.common import Rows
from api.wire.answers_schema.market import Curves, Standing
from api.wire.declaration import JSON, Parameter, declared
from api.wire.money import dollars
from db.clearing_data.clients import growth, standings
from db.clearing_data.clients.growth import Kept
from db.clearing_data.clients.trade_counts import TradeCounts
from db.clearing_data.listing.securities import ever_listed
from db.connect import Database
from tasks.shared.rules.securities import Security

# Requests within this time get the same leaderboard [s].
REMEMBER_S = 1.0
# The pause between two steps of counting, while trades are left to count or running transactions to wait for [s].
AGAIN_S = 0.01

_HOUR_S = 3_600
_DAY_S = 24 * _HOUR_S
_SECONDS = Parameter("seconds", Annotated[int, Field(ge=60, le=_DAY_S)], "how far back, an hour by default")


def routes(*, clearing_data: Database) -> Blueprint:
    """Return the routes, and start to sample the equity of clients, for as long as the process lives."""
    blueprint = Blueprint("leaderboard", __name__)
    counts = TradeCounts()
    board = SharedValue(lambda: encode({"data": ranked(clearing_data, counts)}), remember_s=REMEMBER_S)
    curves = EquityCurves(clearing_data)

    @blueprint.get("/leaderboard")
    @declared("public", "The clients by equity", gives={200: Rows[Standing]})
    def leaderboard() -> Response:
        return Response(board.get(), content_type=JSON)

    @blueprint.get("/leaderboard/history")
    @declared(
        "public",
        "The equity of the richest clients over time: one value for each time, or null if there is none",
        parameters=[_SECONDS],
        gives={200: Curves},
    )
    def history() -> Response:
        seconds = query.number("seconds", default=_HOUR_S, least=60, most=_DAY_S)
        return Response(curves.read(seconds), content_type=JSON)

    return blueprint


def ranked(clearing_data: Database, counts: TradeCounts) -> list[dict[str, Any]]:
    """Return the clients in their current order, the richest first.

    counts  the trades that the caller has counted so far; the first call has to count all trades of the past
    raises  Problem (503)  the database is away, or has so many trades that the caller has to try again
    """
    while not _advance(clearing_data, counts):
        gevent.sleep(AGAIN_S)
    with reading(clearing_data) as tx:
        found = standings.standings(tx, counts.read(tx))
        return _ranked(found, growth.kept(tx), ever_listed(tx))


def _advance(clearing_data: Database, counts: TradeCounts) -> bool:
    with reading(clearing_data) as tx:
        return counts.advance(tx)


def _ranked(
    found: Sequence[standings.Standing], kept: Mapping[str, Kept], securities: Sequence[Security]
) -> list[dict[str, Any]]:
    prices_cents = {security.security_id: security.last_price_cents or 0 for security in securities}
    nothing = Kept()
    worth = [(outgoing.equity_cents(one.account, one.holdings, securities), one) for one in found]
    worth.sort(key=lambda entry: (-entry[0], entry[1].account.client_id))
    # Equal equity gives an equal rank, and the next rank counts all clients before it.
    ranks: dict[int, int] = {}
    for place, (equity_cents, _) in enumerate(worth, start=1):
        ranks.setdefault(equity_cents, place)
    return [
        {
            "rank": ranks[equity_cents],
            "client_id": one.account.client_id,
            "equity": dollars(equity_cents),
            "balance": dollars(one.account.balance_cents),
            "holdings": {holding.security_id: holding.shares for holding in one.holdings},
            "trades": one.trades,
            "return": outgoing.return_of(one.growth.return_ppm(equity_cents)),
            "versus_holding": outgoing.return_of(
                kept.get(one.account.client_id, nothing).versus_ppm(equity_cents, prices_cents)
            ),
        }
        for equity_cents, one in worth
    ]
