"""Reads and writes of order entry for open orders: for replacements, mass cancels and limits on positions.

Only batches that contain any of these come here. While a replacement is pending, the engine may know the order with a
larger total than the register, and have it open although it is filled here. So an order is open if either says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from db.arrays import array
from db.statements import Statements
from tasks.order_entry.rules.rows import OpenOrder, PendingReplace, ReplaceableOrder, Widened

_REPLACEABLE = """
    SELECT orders.order_id, client_id, security_id, type, side,
        status IN ('new', 'partially_filled') OR pending.replaces > 0,
        filled_quantity, COALESCE(price_cents, hold_cents), hold_cents,
        least(quantity, pending.lowest_quantity), greatest(quantity, pending.highest_quantity),
        pending.lowest_price_cents, pending.highest_price_cents,
        display_quantity, fee_ppm, greatest(quantity, largest_quantity), greatest(hold_cents, largest_hold_cents),
        filled_quantity + closed_quantity, owned_quantity, margin_price_cents
    FROM orders CROSS JOIN LATERAL (
        SELECT count(*) AS replaces,
            min(quantity) AS lowest_quantity, max(quantity) AS highest_quantity,
            min(price_cents) AS lowest_price_cents, max(price_cents) AS highest_price_cents
        FROM pending_replaces WHERE pending_replaces.order_id = orders.order_id
    ) AS pending
    WHERE orders.order_id = ANY(%s)
"""

# Every order of these clients that is open here or may be open at the engine.
_OPEN = """
    SELECT order_id FROM open_orders WHERE client_id = ANY(%(clients)s)
    UNION SELECT order_id FROM pending_replaces WHERE client_id = ANY(%(clients)s)
"""
_OPEN_ORDERS = f"""
    SELECT order_id, client_id, security_id, side FROM orders
    WHERE order_id IN ({_OPEN}) AND client_id = ANY(%(clients)s) AND NOT buy_in ORDER BY order_id
"""  # noqa: S608 - the text is ours
_POSITIONS = f"""
    SELECT client_id, security_id, CAST(sum(shares) AS bigint) FROM (
        SELECT client_id, security_id, shares FROM holdings WHERE client_id = ANY(%(clients)s)
        UNION ALL
        SELECT client_id, security_id, greatest(
            quantity, (SELECT max(quantity) FROM pending_replaces WHERE pending_replaces.order_id = orders.order_id)
        ) - filled_quantity - closed_quantity
        FROM orders WHERE order_id IN ({_OPEN}) AND client_id = ANY(%(clients)s) AND side = 'buy'
    ) AS parts GROUP BY client_id, security_id
"""  # noqa: S608


def replaceable(tx: Connection, order_ids: Collection[int]) -> list[ReplaceableOrder]:
    """Return the orders among these that order entry has seen, with terms that pending replacements may give them."""
    if not order_ids:
        return []
    return [ReplaceableOrder(*row) for row in tx.exec_driver_sql(_REPLACEABLE, (list(order_ids),))]


def open_orders(tx: Connection, client_ids: Collection[str]) -> list[OpenOrder]:
    """Return the open orders of these clients, whose accounts are locked, by their ids; no purchases of buy-ins."""
    if not client_ids:
        return []
    return [OpenOrder(*row) for row in tx.exec_driver_sql(_OPEN_ORDERS, {"clients": list(client_ids)})]


def positions(tx: Connection, client_ids: Collection[str]) -> dict[tuple[str, str], int]:
    """Return the shares that these clients hold or have open buy orders for, by client and security."""
    if not client_ids:
        return {}
    rows = tx.exec_driver_sql(_POSITIONS, {"clients": list(client_ids)})
    return {(client_id, security_id): shares for client_id, security_id, shares in rows}


def reserve(statements: Statements, replaces: Sequence[PendingReplace], widened: Mapping[int, Widened]) -> None:
    """Note replacements that go to the engine, and by order id the extremes that each order may reach.

    A replacement of the price alone leaves the total unchanged, but the order is noted nevertheless: from now on its
    fills may have another hold than its terms here say.
    """
    statements.insert("pending_replaces", PendingReplace._fields, replaces)
    if widened:
        statements.add(_WIDEN, (array(widened), *map(array, zip(*widened.values(), strict=True))))


_WIDEN = """
    UPDATE orders SET
        largest_quantity = greatest(orders.quantity, largest_quantity, new.quantity),
        largest_hold_cents = greatest(hold_cents, largest_hold_cents, new.price_cents),
        fee_ppm = new.fee_ppm,
        owned_quantity = COALESCE(new.owned_quantity, orders.owned_quantity),
        margin_price_cents = COALESCE(new.margin_price_cents, orders.margin_price_cents)
    FROM unnest(
        CAST(%s AS bigint[]), CAST(%s AS bigint[]), CAST(%s AS bigint[]), CAST(%s AS int[]), CAST(%s AS bigint[]),
        CAST(%s AS bigint[])
    ) AS new (order_id, quantity, price_cents, fee_ppm, owned_quantity, margin_price_cents)
    WHERE orders.order_id = new.order_id
"""
