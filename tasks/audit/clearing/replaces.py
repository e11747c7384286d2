"""Rules 5 and 7: the needs and the terms of orders that were replaced or have a pending replacement.

Fills and closes under new terms may settle on another worker before the replacement itself, and those under old terms
after it. While such an order is open, its quantity and price in the register do not determine its hold to the cent; the
executions do.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, text

from db.clearing_data.clearing import executions as register
from db.clearing_data.log.order_log import commands_of
from tasks.audit.common.result import CheckResult
from tasks.messages import Execution, OrderClosed, OrderReplaced, PlaceOrder, ReplaceOrder, TradeMade


class Need(NamedTuple):
    """The hold that an order needs, cents of a buyer or shares of a seller, including reservations."""

    client_id: str
    security_id: str
    side: str
    amount: int


_PENDING = text(
    "SELECT order_id, command_id, client_id, quantity, price_cents, reserved FROM pending_replaces ORDER BY command_id"
)
_OPEN_REPLACED = text(
    "SELECT order_id FROM open_orders JOIN orders USING (client_id, order_id) WHERE terms_event_id IS NOT NULL"
)
_SHORT = text("SELECT order_id FROM orders WHERE order_id = ANY(:order_ids) AND owned_quantity IS NOT NULL")


def needs_of_replaced(tx: Connection) -> tuple[dict[int, Need], CheckResult]:
    """Return the needs of open orders that were replaced or have a pending replacement, including reservations.

    Orders that sell short are left out, because their holds follow from their rows alone.

    returns  the needs by order id, and a check of the pending replacements themselves
    """
    checked = CheckResult()
    pending = tx.execute(_PENDING).all()
    order_ids = {*tx.execute(_OPEN_REPLACED).scalars(), *(row.order_id for row in pending)}
    if not order_ids:
        return {}, checked
    logged = commands_of(tx, [*order_ids, *(row.command_id for row in pending)])
    needs = {
        order_id: _first_need(placed)
        for order_id in order_ids
        if isinstance(placed := logged.get(order_id), PlaceOrder)  # otherwise rule 1 is broken
    }
    for row in pending:
        checked.checked += 1
        replace = logged.get(row.command_id)
        if not isinstance(replace, ReplaceOrder) or (
            (row.order_id, row.client_id, row.quantity, row.price_cents, row.reserved)
            != (replace.order_id, replace.client_id, replace.quantity, replace.price_cents, replace.reserved)
        ):
            checked.find(f"replacement {row.command_id} of order {row.order_id} is pending and differs from the log")
        _add(needs, row.order_id, row.reserved)
    for order_id in tx.execute(_SHORT, {"order_ids": list(needs)}).scalars():
        del needs[order_id]
    for execution in register.of_orders(tx, list(needs)):
        _change(needs, execution)
    return needs, checked


def _first_need(placed: PlaceOrder) -> Need:
    held = placed.hold_cents or placed.price_cents if placed.side == "buy" else 1
    return Need(placed.client_id, placed.security_id, placed.side, placed.quantity * held)


def _change(needs: dict[int, Need], execution: Execution) -> None:
    """Change the need of an order by the amount that an execution released or required."""
    if isinstance(execution, TradeMade):
        _add(needs, execution.buy_order_id, -execution.quantity * execution.buy_hold_cents)
        _add(needs, execution.sell_order_id, -execution.quantity)
    elif isinstance(execution, OrderClosed):
        held = execution.hold_cents if execution.side == "buy" else 1
        _add(needs, execution.order_id, -execution.quantity * held)
    elif isinstance(execution, OrderReplaced):
        held, old_held = (execution.hold_cents, execution.old_hold_cents) if execution.side == "buy" else (1, 1)
        _add(needs, execution.order_id, execution.open_quantity * held - execution.old_open * old_held)


def _add(needs: dict[int, Need], order_id: int, amount: int) -> None:
    need = needs.get(order_id)
    if need is not None:
        needs[order_id] = need._replace(amount=need.amount + amount)


_UNDECIDED = text(
    """
    SELECT command_id FROM order_log WHERE starts_with(command, '["replace",')
    EXCEPT SELECT command_id FROM pending_replaces
    EXCEPT SELECT CAST(CAST(terms AS json) ->> 'command_id' AS bigint)
        FROM executions WHERE kind IN ('replaced', 'replace_refused')
    """
).execution_options(yield_per=1_000)


def check_replaces(tx: Connection) -> CheckResult:
    """Check that every replacement in the log is pending or decided."""
    checked = CheckResult()
    for (command_id,) in tx.execute(_UNDECIDED):
        checked.find(f"replacement {command_id} is in the log, and neither pending nor decided")
    return checked


_TERMS = text(
    """
    WITH newest AS (
        SELECT DISTINCT ON (order_id) order_id, event_id, quantity, price_cents, hold_cents
        FROM (
            SELECT COALESCE(buy_order_id, sell_order_id) AS order_id, event_id, quantity, price_cents, hold_cents
            FROM executions WHERE kind = 'replaced'
        ) AS replaced
        ORDER BY order_id, event_id DESC
    )
    SELECT COALESCE(newest.order_id, orders.order_id), newest.event_id, orders.terms_event_id
    FROM newest FULL JOIN (SELECT * FROM orders WHERE terms_event_id IS NOT NULL) AS orders USING (order_id)
    WHERE (orders.terms_event_id, orders.quantity, orders.hold_cents)
            IS DISTINCT FROM (newest.event_id, newest.quantity, newest.hold_cents)
        OR orders.price_cents <> newest.price_cents
    """
).execution_options(yield_per=1_000)


def check_terms(tx: Connection) -> CheckResult:
    """Check that a replaced order has the terms of its last replacement, and no other order has new terms."""
    checked = CheckResult()
    for order_id, newest, event_id in tx.execute(_TERMS):
        checked.find(f"order {order_id} has the terms of replacement {event_id}, and not as {newest} gave them")
    return checked
