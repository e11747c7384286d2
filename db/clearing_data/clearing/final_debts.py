"""The final settlement of owed shares: each is paid for like a held share, but by the client.

The client buys the shares from DTCC at their value, with cash that leaves the exchange, and returns them. The default
fund pays what the client cannot, as far as its cash goes; the rest, which no account has, comes from outside and
stands in the ledger under a kind of its own.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog
from sqlalchemy import Connection

from db.arrays import arrays
from db.clearing_data.clients.accounts import EXTERNAL
from db.clearing_data.lending import margin
from db.clearing_data.lending.loans import RETURN
from db.clearing_data.tables import DTCC, EXCHANGE
from tasks.order_execution.rules import margin as margin_rules
from tasks.order_execution.rules.final_debts import Debt, payments

log = structlog.get_logger()

UNCOVERED = "uncovered"

_OWING = """
    SELECT client_id, borrowed, sold_cents, balance_cents - held_cents
    FROM holdings JOIN accounts USING (client_id) WHERE security_id = %s AND borrowed > 0 ORDER BY client_id
"""
_PAY = """
    WITH paid AS (
        SELECT * FROM unnest(
            CAST(%(client_id)s AS text[]), CAST(%(shares)s AS bigint[]), CAST(%(due_cents)s AS bigint[]),
            CAST(%(fund_cents)s AS bigint[]), CAST(%(uncovered_cents)s AS bigint[]),
            CAST(%(collateral_cents)s AS bigint[])
        ) AS paid (client_id, shares, due_cents, fund_cents, uncovered_cents, collateral_cents)
    ), returned AS (
        UPDATE holdings SET borrowed = 0, sold_cents = 0 FROM paid
        WHERE holdings.client_id = paid.client_id AND security_id = %(security_id)s
    ), charged AS (
        UPDATE accounts SET
            balance_cents = balance_cents - due_cents + paid.fund_cents + uncovered_cents,
            fund_cents = accounts.fund_cents + paid.fund_cents,
            buy_in_us = CASE WHEN paid.fund_cents > 0 THEN COALESCE(buy_in_us, %(now_us)s) ELSE buy_in_us END,
            collateral_cents = accounts.collateral_cents - paid.collateral_cents
        FROM paid WHERE accounts.client_id = paid.client_id
    ), fund AS (
        UPDATE accounts SET balance_cents = balance_cents - (SELECT sum(fund_cents) FROM paid)
        WHERE client_id = %(exchange)s AND (SELECT sum(fund_cents) FROM paid) > 0
    )
    INSERT INTO ledger (event_id, kind, account, contra_account, security_id, cash_cents, shares, booked_us)
    SELECT %(event_id)s, entry.kind, client_id, entry.contra_account, entry.security_id, entry.cents, entry.shares,
        %(now_us)s
    FROM paid CROSS JOIN LATERAL (VALUES
        ('final_settlement', %(dtcc)s, %(security_id)s, CAST(0 AS bigint), shares),
        ('final_settlement', %(external)s, %(security_id)s, -due_cents, CAST(0 AS bigint)),
        (%(return)s, %(dtcc)s, %(security_id)s, CAST(0 AS bigint), -shares),
        (%(default_fund)s, %(exchange)s, NULL, fund_cents, CAST(0 AS bigint)),
        (%(uncovered)s, %(external)s, NULL, uncovered_cents, CAST(0 AS bigint))
    ) AS entry (kind, contra_account, security_id, cents, shares)
    WHERE entry.cents <> 0 OR entry.shares <> 0
"""


# Debtors that could pay more once their orders are cancelled. Purchases of a buy-in only return other shares.
_HOLD_BACK = """
    SELECT client_id FROM holdings JOIN accounts USING (client_id)
    WHERE security_id = %s AND borrowed > 0 AND borrowed * %s > balance_cents - held_cents AND EXISTS (
        SELECT FROM open_orders JOIN orders USING (client_id, order_id)
        WHERE open_orders.client_id = accounts.client_id AND NOT buy_in
    ) ORDER BY client_id
"""


def cancel_orders_first(tx: Connection, security_id: str, *, value_cents: int, now_us: int) -> bool:
    """Begin the buy-in of clients whose open orders hold cash that they owe; order entry cancels these orders.

    returns  whether there are any
    """
    clients = list(tx.exec_driver_sql(_HOLD_BACK, (security_id, value_cents)).scalars())
    margin.begin_buy_ins(tx, clients, now_us=now_us)
    return bool(clients)


def pay(tx: Connection, security_id: str, *, value_cents: int, event_id: int, now_us: int) -> None:
    """Make every client pay for its owed shares of a security; their accounts and DTCC's holding are locked."""
    owing = [Debt(*row) for row in tx.exec_driver_sql(_OWING, (security_id,))]
    if not owing:
        return
    paid = payments(owing, value_cents=value_cents, fund_cents=margin.fund(tx))
    for one in paid:
        if one.fund_cents or one.uncovered_cents:
            log.critical(
                "default_fund_pays", client_id=one.client_id, cents=one.fund_cents, uncovered_cents=one.uncovered_cents
            )
    constants = {"dtcc": DTCC, "exchange": EXCHANGE, "external": EXTERNAL, "return": RETURN, "uncovered": UNCOVERED}
    tx.exec_driver_sql(
        _PAY,
        arrays(paid[0]._fields, paid)
        | constants
        | {"default_fund": margin.DEFAULT_FUND, "security_id": security_id, "event_id": event_id, "now_us": now_us},
    )
    _end_buy_ins(tx, [one.client_id for one in owing], now_us=now_us)


def _end_buy_ins(tx: Connection, clients: Collection[str], *, now_us: int) -> None:
    """End the buy-ins of clients that owe nothing else, at once: their next deposit is theirs alone."""
    found = margin.owing(tx, clients)
    ended = [one for one in margin_rules.payments(found, fund_cents=margin.fund(tx)) if one.is_over]
    margin.pay(tx, ended, now_us=now_us)
