"""The final cash settlement of a security: every share that a client holds is exchanged for what it is worth.

Few statements, whatever the number of holders. The cash comes from outside, as that of a deposit does; the shares go
back to DTCC, so that all that were issued are there. As everywhere accounts are locked by their names, holdings after
them, and then DTCC's.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from db.clearing_data.clients.accounts import EXTERNAL
from db.clearing_data.lending import debts
from db.clearing_data.tables import DTCC

KIND = "final_settlement"

# Of several workers one settles; any number will do, with the shard and the place of the event beside it.
_LOCK = 7_266_004


class DueSettlement(NamedTuple):
    """A security of which no order is open at the engine, and what a share of it is worth [cents]."""

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
    """Return the securities whose last event was reported and whose shares are not exchanged yet."""
    return [DueSettlement(*row) for row in tx.exec_driver_sql(_DUE)]


def settle(tx: Connection, one: DueSettlement, *, now_us: int) -> bool:
    """Exchange all holdings of a security, once nothing of it is left to settle.

    returns  whether this was done; False when it is too early, or another worker does it
    """
    is_ours = tx.exec_driver_sql("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, one.security_id))
    if not is_ours.scalar_one() or one not in due(tx):
        return False
    locked = set(tx.exec_driver_sql(_LOCK_HOLDERS, (one.security_id, DTCC)).scalars())
    # Deposits of shares take them from DTCC, so that from here on there are none.
    tx.exec_driver_sql(_LOCK_HOUSE, (DTCC, one.security_id))
    holders = set(tx.exec_driver_sql(_HOLDERS, (one.security_id, DTCC)).scalars())
    if not holders <= locked or not nothing_is_left(tx, one):
        return False
    debts.pay(tx, one.security_id, value_cents=one.value_cents, event_id=one.event_id, now_us=now_us)
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
    """Return whether everything that ever traded of the security is settled.

    An order is open in the register until the event that closes it is settled, and so are all its trades by then; one
    that may be replaced is open, too. What order entry admits after the settlement the engine rejects, and while such
    an order is on its way it is open as well.
    """
    return not tx.exec_driver_sql(_IS_OPEN, {"security_id": one.security_id}).scalar_one()
