"""Changing the fees of a security."""

from __future__ import annotations

from api.request.databases import writing
from api.wire.problems import Problem, invalid
from api.wire.schema import Fees
from celery_app.clock import now_us
from db.clearing_data.clearing.fees import set_rates
from db.connect import Database


def change(clearing_data: Database, security_id: str, fees: Fees) -> None:
    """Change the fees of a listed security. Raises Problem (409 while the security has an open order, 422, 503)."""
    if fees.maker_fee + fees.taker_fee < 0:
        raise invalid("/maker_fee", "a rebate must not exceed the fee of the other side")
    with writing(clearing_data) as tx:
        outcome = set_rates(tx, security_id, maker_ppm=fees.maker_fee, taker_ppm=fees.taker_fee, now_us=now_us())
    if outcome != "set":
        raise Problem(409, "orders_open", "fees can change only while the security has no open orders", retry=True)
