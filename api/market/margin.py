"""The route of margin: the debts of clients, and the distance of each from a buy-in."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from api.request.databases import reading
from api.wire.answers import answer
from api.wire.answers_schema.clearing import Margin
from api.wire.answers_schema.common import Rows
from api.wire.declaration import declared
from api.wire.money import dollars
from api.wire.outgoing import time_or_none
from db.clearing_data.lending import margin as accounts
from db.connect import Database
from tasks.order_execution.rules.margin import OwingAccount


def routes(*, clearing_data: Database) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("margin", __name__)

    @blueprint.get("/clearing/margin")
    @declared("admin", "The clients that owe shares: collateral, requirement, excess", gives={200: Rows[Margin]})
    def margin() -> Response:
        with reading(clearing_data) as tx:
            found = accounts.owing(tx)
        return answer({"data": [_margin(one) for one in found]})

    return blueprint


def _margin(account: OwingAccount) -> dict[str, Any]:
    return {
        "client_id": account.client_id,
        "shares_owed": sum(one.shares for one in account.owed),
        "borrowed": {one.security_id: one.shares for one in account.owed},
        "collateral": dollars(account.collateral_cents),
        "free_cash": dollars(account.margin_cents - account.collateral_cents),
        "requirement": dollars(account.requirement_cents),
        "excess": dollars(account.excess_cents),
        "buy_in_since": time_or_none(account.buy_in_us),
        "paid_by_default_fund": dollars(account.fund_cents),
    }
