"""The route of netting: the obligations that the clearinghouse has set off."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from flask import Blueprint, Response

from api.request import query
from api.request.databases import reading
from api.wire.answers import answer
from api.wire.answers_schema import clearing as answers_schema
from api.wire.declaration import declared
from api.wire.money import dollars
from api.wire.outgoing import time_of
from api.wire.problems import invalid
from celery_app.clock import now_us
from db.clearing_data.clearing.netting import turnovers
from db.connect import Database
from tasks.order_execution.rules.netting import Turnover, net

# The length of a window without a start, and of the longest window: reading a day of trades takes seconds [us].
DEFAULT_WINDOW_US = 60 * 60 * 1_000_000
LONGEST_WINDOW_US = 24 * 60 * 60 * 1_000_000


def routes(*, clearing_data: Database) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("clearing", __name__)

    @blueprint.get("/clearing/netting")
    @declared(
        "admin",
        "Gross and net obligations of the trades settled in a period, by default the last hour",
        parameters=[query.FROM, query.TO],
        gives={200: answers_schema.Netting},
    )
    def netting() -> Response:
        to_us = query.time_us("to", default=now_us())
        from_us = query.time_us("from", default=to_us - DEFAULT_WINDOW_US)
        if not 0 <= to_us - from_us <= LONGEST_WINDOW_US:
            raise invalid("?from", "must be before ?to, by at most one day")
        with reading(clearing_data) as tx:
            found = turnovers(tx, from_us=from_us, to_us=to_us)
        netted = net(found)
        return answer(
            {
                "from": time_of(from_us),
                "to": time_of(to_us),
                "trades": netted.trades,
                "gross_cash": dollars(netted.gross_cents),
                "net_cash": dollars(netted.net_cents),
                "cash_efficiency": _decimal(netted.cash_efficiency),
                "gross_shares": netted.gross_shares,
                "net_shares": netted.net_shares,
                "share_efficiency": _decimal(netted.share_efficiency),
                "obligations": [_obligation(one) for one in found],
                "clients": [
                    {"client_id": client_id, "gross_cash": dollars(gross), "net_cash": dollars(left)}
                    for client_id, (gross, left) in netted.cash.items()
                ],
            }
        )

    return blueprint


def _obligation(one: Turnover) -> dict[str, Any]:
    return {
        "client_id": one.client_id,
        "security_id": one.security_id,
        "bought": one.bought,
        "sold": one.sold,
        "net_shares": one.bought - one.sold,
        "paid": dollars(one.bought_cents),
        "received": dollars(one.sold_cents),
        "net_cash": dollars(one.sold_cents - one.bought_cents),
    }


def _decimal(part: Fraction | None) -> Decimal | None:
    if part is None:
        return None
    return (Decimal(part.numerator) / part.denominator).quantize(Decimal("0.000001"))
