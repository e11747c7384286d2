"""Reads and writes of order entry for clients that are being bought in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import Connection

from db.arrays import array
from db.clearing_data.log import admission
from db.statements import Statements
from tasks.order_entry.rules.buy_ins import BoughtIn, BuyIns, ClientOrder, OwedShares, row_of

_LOCK = """
    SELECT client_id, balance_cents - held_cents AS cash_cents, buy_in_us AS since_us, buy_in_tried_us AS tried_us
    FROM accounts
    WHERE sells_short AND buy_in_us IS NOT NULL ORDER BY client_id FOR UPDATE
"""
_OWED = """
    SELECT client_id, security_id, borrowed FROM holdings
    WHERE client_id = ANY(%s) AND borrowed > 0 ORDER BY client_id, security_id
"""
_ORDERS = """
    SELECT client_id, order_id, security_id, shard, buy_in, time_in_force
    FROM orders JOIN securities USING (security_id)
    WHERE client_id = ANY(%(clients)s) AND order_id IN (
        SELECT order_id FROM open_orders WHERE client_id = ANY(%(clients)s)
        UNION SELECT order_id FROM pending_replaces WHERE client_id = ANY(%(clients)s)
    ) ORDER BY order_id
"""


def lock(tx: Connection) -> list[BoughtIn]:
    """Lock and return the clients that are being bought in, in the order of their names."""
    rows = tx.exec_driver_sql(_LOCK).mappings().all()
    if not rows:
        return []
    clients = [row["client_id"] for row in rows]
    owed: dict[str, list[OwedShares]] = defaultdict(list)
    for client_id, *what in tx.exec_driver_sql(_OWED, (clients,)):
        owed[client_id].append(OwedShares(*what))
    orders: dict[str, list[ClientOrder]] = defaultdict(list)
    for client_id, *order in tx.exec_driver_sql(_ORDERS, {"clients": clients}):
        orders[client_id].append(ClientOrder(*order))
    return [BoughtIn(**row, owed=owed[row["client_id"]], orders=orders[row["client_id"]]) for row in rows]


def write(statements: Statements, buy_ins: BuyIns, *, now_us: int) -> None:
    """Register the purchases, hold the cash they need, and note the attempt."""
    admission.register(statements, [row_of(order, rate_ppm) for _, order, rate_ppm in buy_ins.purchases])
    _mark(statements, [order.order_id for _, order, _ in buy_ins.purchases])
    admission.hold_cash(statements, buy_ins.held_cents)
    _note_attempt(statements, buy_ins.tried, now_us)


def _mark(statements: Statements, order_ids: Collection[int]) -> None:
    if order_ids:
        statements.add("UPDATE orders SET buy_in = true WHERE order_id = ANY(%s::bigint[])", (array(order_ids),))


def _note_attempt(statements: Statements, clients: Iterable[str], now_us: int) -> None:
    statements.add(
        "UPDATE accounts SET buy_in_tried_us = %s WHERE client_id = ANY(%s::text[])", (now_us, array(clients))
    )
