"""The final cash settlement of a security: every share that a client holds is exchanged for its value.

It takes few statements, whatever the number of holders. The cash comes from outside, like that of a deposit; the
shares go back to DTCC, which then has all that were issued. As everywhere, accounts are locked by their names, then
their holdings, then DTCC's.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from db.clearing_data.clearing import final_debts
from db.clearing_data.clients.accounts import EXTERNAL
from db.clearing_data.tables import DTCC

KIND = "final_settlement"

# Only one of several workers settles a security; the number is arbitrary, the second key is
# the security.
_LOCK = 7_266_004


class DueSettlement(NamedTuple):
    """A security without open orders at the engine, and the value of a share of it [cents]."""

    security_id: str
    value_cents: int
    event_id: int


_DUE = """
    SELECT security_id, settlement_cents, settlement_event_id FROM securities
    WHERE settlement_event_id IS NOT NULL AND phase <> 'settled' ORDER BY security_id
"""
_LOCK_HOLDERS = """
    SELECT client_id FROM accounts
    WHERE client_id IN (SELECT client_id FROM holdings WHERE security_id = %s AND (shares > 0 OR borrowed > 0))
        AND client_id <> %s
    ORDER BY client_id FOR UPDATE
"""
_LOCK_HOUSE = "SELECT FROM holdings WHERE client_id = %s AND security_id = %s FOR UPDATE"
_HOLDERS = "SELECT client_id FROM holdings WHERE security_id = %s AND (shares > 0 OR borrowed > 0) AND client_id <> %s"
_IS_OPEN = """
    SELECT EXISTS (
        SELECT FROM orders WHERE security_id = %(security_id)s
            AND order_id IN (SELECT order_id FROM open_orders UNION ALL SELECT order_id FROM pending_replaces)
    ) OR EXISTS (SELECT FROM holdings WHERE security_id = %(security_id)s AND held <> 0)
"""
_EXCHANGE = """
    WITH held AS (
        SELECT client_id, shares, shares * CAST(%(value_cents)s AS bigint) AS cents FROM holdings
        WHERE security_id = %(security_id)s AND shares > 0 AND client_id <> %(dtcc)s
    ), emptied AS (
        UPDATE holdings SET shares = 0 FROM held
        WHERE holdings.client_id = held.client_id AND holdings.security_id = %(security_id)s
    ), taken_back AS (
        UPDATE holdings SET shares = holdings.shares + (SELECT sum(shares) FROM held)
        WHERE client_id = %(dtcc)s AND security_id = %(security_id)s AND EXISTS (SELECT FROM held)
    ), paid AS (
        UPDATE accounts SET balance_cents = balance_cents + held.cents FROM held
        WHERE accounts.client_id = held.client_id
    ), booked AS (
        INSERT INTO ledger (event_id, kind, account, contra_account, security_id, cash_cents, shares, booked_us)
        SELECT %(event_id)s, %(kind)s, client_id, entry.contra_account, %(security_id)s, entry.cents, entry.shares,
            %(now_us)s
        FROM held CROSS JOIN LATERAL (
            VALUES (%(dtcc)s, CAST(0 AS bigint), -held.shares), (%(external)s, held.cents, CAST(0 AS bigint))
        ) AS entry (contra_account, cents, shares)
        WHERE entry.cents <> 0 OR entry.shares <> 0
    )
    UPDATE securities SET phase = 'settled', phase_ends_us = NULL, phase_event_id = %(event_id)s
    WHERE security_id = %(security_id)s
"""


def due(tx: Connection) -> list[DueSettlement]:
    """Return the securities whose last event was reported, but whose shares are not exchanged yet."""
    return [DueSettlement(*row) for row in tx.exec_driver_sql(_DUE)]


def settle(tx: Connection, one: DueSettlement, *, now_us: int) -> bool:
    """Exchange all holdings of a security, once nothing of it is left to settle.

    returns  whether the holdings were exchanged; False when it is too early, when another worker does it, or when
             orders of clients that owe shares are to be cancelled first
    """
    is_ours = tx.exec_driver_sql("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, one.security_id))
    if not is_ours.scalar_one() or one not in due(tx):
        return False
    locked = set(tx.exec_driver_sql(_LOCK_HOLDERS, (one.security_id, DTCC)).scalars())
    # Deposits take their shares from DTCC, so from here on there are no deposits.
    tx.exec_driver_sql(_LOCK_HOUSE, (DTCC, one.security_id))
    holders = set(tx.exec_driver_sql(_HOLDERS, (one.security_id, DTCC)).scalars())
    if not holders <= locked or not nothing_is_left(tx, one):
        return False
    if final_debts.cancel_orders_first(tx, one.security_id, value_cents=one.value_cents, now_us=now_us):
        return False
    final_debts.pay(tx, one.security_id, value_cents=one.value_cents, event_id=one.event_id, now_us=now_us)
    tx.exec_driver_sql(
        _EXCHANGE,
        {
            "security_id": one.security_id,
            "value_cents": one.value_cents,
            "event_id": one.event_id,
            "kind": KIND,
            "dtcc": DTCC,
            "external": EXTERNAL,
            "now_us": now_us,
        },
    )
    return True


def nothing_is_left(tx: Connection, one: DueSettlement) -> bool:
    """Return whether all trades of the security are settled.

    An order is open in the register until the event that closes it and all its trades are settled; an order with a
    pending replacement counts as open, too. The engine rejects orders that order entry admits after the settlement, and
    such an order is open until its rejection is settled.
    """
    return not tx.exec_driver_sql(_IS_OPEN, {"security_id": one.security_id}).scalar_one()
