"""Checks the margin of all clients that owe shares, once a second; each settlement checks the clients it concerns."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from db.clearing_data.lending import margin as accounts
from db.connect import Database
from tasks.order_execution.rules import margin
from tasks.order_execution.rules.margin import OwingAccount

log = structlog.get_logger()


def check_all(clearing_data: Database, *, now_us: int) -> None:
    """Check every client that owes shares: begin buy-ins, and let the default fund pay or get its cash back.

    raises  sqlalchemy.exc.DBAPIError  Postgres is away, or two transactions met
    """
    with clearing_data.transaction() as tx:
        if not accounts.is_ours(tx):
            return
        concerned = [one.client_id for one in accounts.owing(tx) if one.buy_in_us is not None or one.excess_cents < 0]
        if not concerned:
            return
        found = accounts.owing(tx, concerned, lock=True)
        begun = margin.to_buy_in(found)
        accounts.begin_buy_ins(tx, [one.client_id for one in begun], now_us=now_us)
        payments = margin.payments(found, fund_cents=accounts.fund(tx))
        accounts.pay(tx, payments, now_us=now_us)
    log_begun(begun)
    paid = {one.client_id: one.fund_cents for one in found}
    for payment in payments:
        if payment.cents > 0:
            log.critical("default_fund_pays", client_id=payment.client_id, cents=payment.cents)
        if payment.is_over:
            cost = paid[payment.client_id] + payment.cents
            log.warning("buy_in_over", client_id=payment.client_id, default_fund_cents=cost)


def log_begun(accounts_below: Iterable[OwingAccount]) -> None:
    """Log the buy-ins that have begun, each once."""
    for one in accounts_below:
        log.warning(
            "client_bought_in",
            client_id=one.client_id,
            margin_cents=one.margin_cents,
            requirement_cents=one.requirement_cents,
        )
