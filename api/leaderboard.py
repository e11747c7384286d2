"""Routes of the leaderboard: the clients by what they are worth, and how they came to that."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

import gevent
from flask import Blueprint, Response
from gevent.lock import Semaphore
from pydantic import Field

from api import outgoing, query
from api.answers import answer
from api.answers_schema import Curves, Rows, Standing
from api.databases import reading
from api.declaration import Parameter, declared
from api.equity_curves import EquityCurves
from api.money import dollars
from db.clearing_data import standings
from db.clearing_data.initial_data import REFERENCE_PRICE_CENTS
from db.clearing_data.rows import Security
from db.clearing_data.securities import listed
from db.clearing_data.trade_counts import TradeCounts
from db.connect import Database

# Asked for more often, it is the same [s].
REMEMBER_S = 1.0
# While there are more trades to count, and transactions under way to wait for [s].
AGAIN_S = 0.01

_HOUR_S = 3_600
_DAY_S = 24 * _HOUR_S
_SECONDS = Parameter("seconds", Annotated[int, Field(ge=60, le=_DAY_S)], "how far back, an hour by default")


def routes(*, clearing_data: Database) -> Blueprint:
    """The routes, on this database; it is sampled as long as the process lives."""
    blueprint = Blueprint("leaderboard", __name__)
    board: list[dict[str, Any]] = []
    until_s = 0.0
    counts = TradeCounts()
    one_at_a_time = Semaphore()
    curves = EquityCurves(clearing_data)

    @blueprint.get("/leaderboard")
    @declared("public", "The clients by what they are worth", gives={200: Rows[Standing]})
    def leaderboard() -> Response:
        nonlocal board, until_s
        with one_at_a_time:
            if time.monotonic() >= until_s:
                board = ranked(clearing_data, counts)
                until_s = time.monotonic() + REMEMBER_S
        return answer({"data": board})

    @blueprint.get("/leaderboard/history")
    @declared(
        "public",
        "What the richest clients were worth over time: a value for each of the times, null where there is none",
        parameters=[_SECONDS],
        gives={200: Curves},
    )
    def history() -> Response:
        seconds = query.number("seconds", default=_HOUR_S, least=60, most=_DAY_S)
        return answer(curves.read(since_us=time.time_ns() // 1_000 - seconds * 1_000_000))

    return blueprint


def ranked(clearing_data: Database, counts: TradeCounts) -> list[dict[str, Any]]:
    """The clients as they stand now, the richest first.

    counts  what the caller has counted up to now; the first time, all trades there ever were have to be
    raises  Problem (503)  the database is away, or has so many trades that the caller has to come again
    """
    while not _advance(clearing_data, counts):
        gevent.sleep(AGAIN_S)
    with reading(clearing_data) as tx:
        found = standings.standings(tx, counts.read(tx), opening_price_cents=REFERENCE_PRICE_CENTS)
        return _ranked(found, listed(tx))


def _advance(clearing_data: Database, counts: TradeCounts) -> bool:
    with reading(clearing_data) as tx:
        return counts.advance(tx)


def _ranked(found: Sequence[standings.Standing], securities: Sequence[Security]) -> list[dict[str, Any]]:
    worth = [(outgoing.equity_cents(one.account, one.holdings, securities), one) for one in found]
    worth.sort(key=lambda entry: (-entry[0], entry[1].account.client_id))
    return [
        {
            "rank": rank,
            "client_id": one.account.client_id,
            "equity": dollars(equity_cents),
            "balance": dollars(one.account.balance_cents),
            "holdings": {holding.security_id: holding.shares for holding in one.holdings},
            "trades": one.trades,
            "return": outgoing.return_of(equity_cents, one.paid_in_cents),
        }
        for rank, (equity_cents, one) in enumerate(worth, start=1)
    ]
