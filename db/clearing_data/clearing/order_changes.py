"""Writes the changes that a batch of executions makes to orders; the accounts of their clients are already locked.

See db.clearing_data.clearing.settlement for the other tables, and for the order of all locks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from db.arrays import array
from db.clearing_data.tables import FEE_HOLD, fee_hold
from db.statements import Statements
from tasks.order_execution.rules.changes import ChangedOrder, Decided, OrderChange, Terms

# If two replacements settle in the wrong order, the later one applies.
_CHANGE_TERMS = text(
    """
    WITH change AS (
        SELECT order_id, client_id, expires_us, terms.event_id, terms.quantity, terms.price_cents, terms.hold_cents,
            filled_quantity + closed_quantity < orders.quantity AS was_open,
            filled_quantity + closed_quantity < terms.quantity AS is_open
        FROM orders JOIN unnest(
            CAST(:order_ids AS bigint[]), CAST(:event_ids AS bigint[]), CAST(:quantities AS bigint[]),
            CAST(:price_cents AS bigint[]), CAST(:hold_cents AS bigint[])
        ) AS terms (order_id, event_id, quantity, price_cents, hold_cents) USING (order_id)
        WHERE COALESCE(orders.terms_event_id, 0) < terms.event_id
    ), changed AS (
        UPDATE orders SET
            quantity = change.quantity,
            price_cents = CASE WHEN orders.price_cents IS NULL THEN NULL ELSE change.price_cents END,
            hold_cents = change.hold_cents,
            terms_event_id = change.event_id
        FROM change WHERE orders.order_id = change.order_id
    ), opened AS (
        INSERT INTO open_orders (client_id, order_id, expires_us)
        SELECT client_id, order_id, expires_us FROM change WHERE is_open AND NOT was_open
    ), no_longer_open AS (
        DELETE FROM open_orders USING change
        WHERE change.was_open AND NOT change.is_open
            AND open_orders.client_id = change.client_id AND open_orders.order_id = change.order_id
    )
    SELECT client_id, CAST(is_open AS int) - CAST(was_open AS int) FROM change WHERE is_open <> was_open
    """
)


def change_terms(statements: Statements, changes: Mapping[int, OrderChange]) -> Counter[str]:
    """Write the new terms of replaced orders; return the change in each client's number of open orders.

    Waiting statements run first, if there is an order to write.

    Fills that settled ahead of a replacement may have closed an order that has more to trade: then it opens again.
    """
    terms: dict[int, Terms] = {order_id: change.terms for order_id, change in changes.items() if change.terms}
    opened: Counter[str] = Counter()
    if terms:
        event_ids, quantities, price_cents, hold_cents = zip(*terms.values(), strict=True)
        statements.run()
        rows = statements.tx.execute(
            _CHANGE_TERMS,
            {
                "order_ids": list(terms),
                "event_ids": list(event_ids),
                "quantities": list(quantities),
                "price_cents": list(price_cents),
                "hold_cents": list(hold_cents),
            },
        )
        for client_id, orders in rows:
            opened[client_id] += orders
    return opened


_RELEASE = text(
    """
    DELETE FROM pending_replaces AS pending
    USING unnest(
        CAST(:order_ids AS bigint[]), CAST(:command_ids AS bigint[]), CAST(:client_ids AS text[]),
        CAST(:reserved AS bigint[])
    ) AS decided (order_id, command_id, client_id, reserved)
    WHERE pending.order_id = decided.order_id AND pending.command_id = decided.command_id
        AND pending.client_id = decided.client_id AND pending.reserved = decided.reserved
    RETURNING pending.order_id, pending.command_id
    """
)

# With no replacement pending, an order can again be filled up to its quantity and no further.
_LIMIT_FILLS = text(
    f"""
    WITH before AS (
        SELECT order_id, {FEE_HOLD} AS fee_hold FROM orders
        WHERE order_id = ANY(:order_ids) AND filled_quantity + closed_quantity <= quantity
            AND NOT EXISTS (SELECT FROM pending_replaces AS pending WHERE pending.order_id = orders.order_id)
    )
    UPDATE orders SET
        largest_quantity = quantity,
        margin_price_cents = CASE WHEN owned_quantity IS NOT NULL THEN COALESCE(price_cents, margin_price_cents) END
    FROM before WHERE orders.order_id = before.order_id
    RETURNING orders.client_id, before.fee_hold - {FEE_HOLD}
    """  # noqa: S608 - the text is ours
)


def release_replaces(tx: Connection, decided: Sequence[Decided]) -> tuple[set[tuple[int, int]], Counter[str]]:
    """Delete pending replacements that were decided.

    returns  (order id, command id) of those that were pending with this client and reservation, and by client the cash
             no longer held for fees [cents]
    """
    fees: Counter[str] = Counter()
    if not decided:
        return set(), fees
    order_ids, command_ids, client_ids, reserved = (list(column) for column in zip(*decided, strict=True))
    rows = tx.execute(
        _RELEASE, {"order_ids": order_ids, "command_ids": command_ids, "client_ids": client_ids, "reserved": reserved}
    )
    released = {(order_id, command_id) for order_id, command_id in rows}
    for client_id, cents in tx.execute(_LIMIT_FILLS, {"order_ids": order_ids}):
        fees[client_id] += cents
    return released, fees


_DONE_BEFORE = "orders.filled_quantity + orders.closed_quantity - change.filled_quantity - change.closed_quantity"

# An order is closed when fills and closes add up to its quantity, in any order; ahead of a replacement they may exceed
# it. A close of the whole order says whether the order was cancelled or rejected; with a fill before or after it, the
# order was cancelled. Its reason stays, unless a trade of the order failed.
# The rows about accounts, which the transaction has locked, are of clients that settlement treats specially.
_CHANGE_ORDERS = f"""
    WITH changed AS (
        UPDATE orders SET
            filled_quantity = orders.filled_quantity + change.filled_quantity,
            filled_cents = orders.filled_cents + change.filled_cents,
            closed_quantity = orders.closed_quantity + change.closed_quantity,
            status = CASE
                WHEN orders.filled_quantity + change.filled_quantity >= orders.quantity THEN 'filled'
                WHEN change.closed_quantity = orders.quantity AND change.rejected THEN 'rejected'
                WHEN orders.status = 'rejected' THEN 'rejected'
                WHEN orders.filled_quantity + change.filled_quantity
                   + orders.closed_quantity + change.closed_quantity >= orders.quantity THEN 'cancelled'
                WHEN orders.filled_quantity + change.filled_quantity > 0 THEN 'partially_filled'
                ELSE 'new'
            END,
            reason = CASE orders.reason
                WHEN 'account_closed' THEN orders.reason ELSE COALESCE(change.reason, orders.reason)
            END,
            updated_us = GREATEST(orders.updated_us, change.updated_us)
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[], $6::text[], $7::bigint[])
            AS change (order_id, filled_quantity, filled_cents, closed_quantity, rejected, reason, updated_us)
        WHERE orders.order_id = change.order_id
            AND orders.filled_quantity + change.filled_quantity
              + orders.closed_quantity + change.closed_quantity <= greatest(orders.quantity, orders.largest_quantity)
        RETURNING orders.order_id, orders.client_id, orders.security_id, orders.side, orders.hold_cents,
            orders.largest_quantity IS NOT NULL AS is_replaced,
            orders.filled_quantity + orders.closed_quantity >= orders.quantity
                AND orders.filled_quantity + orders.closed_quantity
                  - change.filled_quantity - change.closed_quantity < orders.quantity AS is_closed,
            {fee_hold(_DONE_BEFORE)} - {FEE_HOLD} AS fee_released
    )
    SELECT * FROM changed
    UNION ALL
    SELECT NULL, client_id, state, NULL, NULL, sells_short, NULL, NULL FROM accounts
    WHERE client_id = ANY($8::text[]) AND (state = 'closed' OR sells_short)
"""  # noqa: S608 - the text is ours

# Planned each time: the best plan depends on the number of open orders, and a kept plan would date from when few were
# open.
_NO_LONGER_OPEN = """
    DELETE FROM open_orders USING unnest(%s::text[], %s::bigint[]) AS closed (client_id, order_id)
    WHERE open_orders.client_id = closed.client_id AND open_orders.order_id = closed.order_id
"""


class ChangedOrders(NamedTuple):
    """The orders that a batch changed, its clients whose accounts are closed, and those that ever sold short."""

    orders: list[ChangedOrder]
    closed_accounts: set[str]
    short_sellers: set[str]


def change_orders(
    statements: Statements, changes: Mapping[int, OrderChange], clients: Collection[str]
) -> ChangedOrders:
    """Run waiting statements and write the changes of open orders; return the orders whose open quantity covered it.

    clients  whose accounts are looked at
    """
    statements.add_prepared(
        "change_orders",
        _CHANGE_ORDERS,
        (
            array(changes),
            array([change.filled_quantity for change in changes.values()]),
            array([change.filled_cents for change in changes.values()]),
            array([change.closed_quantity for change in changes.values()]),
            array([change.rejected for change in changes.values()]),
            array([change.reason for change in changes.values()]),
            array([change.updated_us for change in changes.values()]),
            array(clients),
        ),
    )
    changed = ChangedOrders([], set(), set())
    for row in statements.run():
        order_id, client_id, state, _, _, sells_short, *_ = row
        if order_id is not None:
            changed.orders.append(ChangedOrder(*row))
            continue
        if state == "closed":
            changed.closed_accounts.add(client_id)
        if sells_short:
            changed.short_sellers.add(client_id)
    return changed


def close_orders(statements: Statements, changed: Iterable[ChangedOrder]) -> None:
    """Delete orders that a batch closed from the open ones; the next statement that runs sends this along."""
    closed = [order for order in changed if order.is_closed]
    if closed:
        parameters = array([order.client_id for order in closed]), array([order.order_id for order in closed])
        statements.add(_NO_LONGER_OPEN, parameters)
