"""The route of the leaderboard: the clients by what they are worth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from flask import Blueprint, Response
from gevent.lock import Semaphore

from api import outgoing
from api.answers import answer
from api.answers_schema import Rows, Standing
from api.databases import reading
from api.declaration import declared
from api.money import dollars
from db.clearing_data import standings
from db.clearing_data.initial_data import REFERENCE_PRICE_CENTS
from db.clearing_data.rows import Security
from db.clearing_data.securities import listed
from db.connect import Database

# Counting trades looks at all of them, so it is done rarely, and by one request for all [s].
REMEMBER_S = 10.0


def routes(*, clearing_data: Database) -> Blueprint:
    """The route, on this database."""
    blueprint = Blueprint("leaderboard", __name__)
    board: list[dict[str, Any]] = []
    until_s = 0.0
    one_at_a_time = Semaphore()

    @blueprint.get("/leaderboard")
    @declared("public", "The clients by what they are worth", gives={200: Rows[Standing]})
    def leaderboard() -> Response:
        nonlocal board, until_s
        with one_at_a_time:
            if time.monotonic() >= until_s:
                board = ranked(clearing_data)
                until_s = time.monotonic() + REMEMBER_S
        return answer({"data": board})

    return blueprint


def ranked(clearing_data: Database) -> list[dict[str, Any]]:
    """The clients as they stand now, the richest first. Raises Problem (503) when the database is away."""
    with reading(clearing_data) as tx:
        return _ranked(standings.standings(tx, opening_price_cents=REFERENCE_PRICE_CENTS), listed(tx))


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
            "return": _return(equity_cents, one.paid_in_cents),
        }
        for rank, (equity_cents, one) in enumerate(worth, start=1)
    ]


def _return(equity_cents: int, paid_in_cents: int) -> Decimal | None:
    """Gain as a fraction of what was paid in; None where nothing was."""
    if paid_in_cents <= 0:
        return None
    return (Decimal(equity_cents - paid_in_cents) / paid_in_cents).quantize(Decimal("0.000001"))
