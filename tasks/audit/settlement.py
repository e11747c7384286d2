"""Rules 3 and 7: each trade is settled once, both legs, and each order is what its executions say."""

from __future__ import annotations

from sqlalchemy import Connection, text

from db.clearing_data.tables import DTCC
from tasks.audit.result import Checked

_LEGS = text(
    """
    SELECT executions.event_id, count(ledger.entry_id)
    FROM executions LEFT JOIN ledger USING (event_id)
    WHERE executions.kind = 'trade'
    GROUP BY executions.event_id
    HAVING count(ledger.entry_id) <> 2
        OR count(*) FILTER (
            WHERE ledger.account = executions.buyer AND ledger.shares = executions.quantity
                AND ledger.cash_cents = -executions.quantity * executions.price_cents
                AND ledger.security_id = executions.security_id AND ledger.contra_account = :dtcc
        ) <> 1
        OR count(*) FILTER (
            WHERE ledger.account = executions.seller AND ledger.shares = -executions.quantity
                AND ledger.cash_cents = executions.quantity * executions.price_cents
                AND ledger.security_id = executions.security_id AND ledger.contra_account = :dtcc
        ) <> 1
    """
).execution_options(yield_per=1_000)

_LEGS_OF_NO_TRADE = text(
    """
    SELECT ledger.entry_id, ledger.event_id
    FROM ledger LEFT JOIN executions ON executions.event_id = ledger.event_id AND executions.kind = 'trade'
    WHERE ledger.kind = 'trade' AND executions.event_id IS NULL
    """
).execution_options(yield_per=1_000)


def check_legs(tx: Connection) -> Checked:
    """Every trade has two legs in the ledger, shares against cash with DTCC, and every leg is of a trade."""
    checked = Checked(tx.execute(text("SELECT count(*) FROM executions WHERE kind = 'trade'")).scalar_one())
    for event_id, legs in tx.execute(_LEGS, {"dtcc": DTCC}):
        checked.find(f"trade {event_id} has {legs} legs in the ledger, which are not the buyer's and the seller's")
    for entry_id, event_id in tx.execute(_LEGS_OF_NO_TRADE):
        checked.find(f"entry {entry_id} of the ledger is of trade {event_id}, which was not executed")
    return checked


# What an order's status has to be follows from its quantities; only an order of which nothing was filled can have been
# rejected, by order entry or by the engine.
_ORDERS = text(
    """
    WITH done AS (
        SELECT order_id, sum(filled) AS filled, sum(cents) AS cents, sum(closed) AS closed
        FROM (
            SELECT buy_order_id AS order_id, quantity AS filled, quantity * price_cents AS cents, 0 AS closed
            FROM executions WHERE kind = 'trade'
            UNION ALL
            SELECT sell_order_id, quantity, quantity * price_cents, 0 FROM executions WHERE kind = 'trade'
            UNION ALL
            SELECT COALESCE(buy_order_id, sell_order_id), 0, 0, quantity FROM executions WHERE kind <> 'trade'
        ) AS part
        GROUP BY order_id
    )
    SELECT COALESCE(orders.order_id, done.order_id), orders.status, orders.quantity,
        orders.filled_quantity, orders.closed_quantity, COALESCE(done.filled, 0), COALESCE(done.closed, 0)
    FROM orders
    FULL JOIN done USING (order_id)
    LEFT JOIN denials ON denials.command_id = orders.order_id
    WHERE orders.order_id IS NULL
        OR orders.filled_quantity <> COALESCE(done.filled, 0)
        OR orders.filled_cents <> COALESCE(done.cents, 0)
        OR orders.closed_quantity <>
            CASE WHEN denials.command_id IS NULL THEN COALESCE(done.closed, 0) ELSE orders.quantity END
        OR orders.filled_quantity + orders.closed_quantity > orders.quantity
        OR NOT CASE
            WHEN orders.filled_quantity = orders.quantity THEN orders.status = 'filled'
            WHEN orders.closed_quantity = orders.quantity THEN orders.status IN ('cancelled', 'rejected')
            WHEN orders.filled_quantity + orders.closed_quantity = orders.quantity THEN orders.status = 'cancelled'
            WHEN orders.filled_quantity > 0 THEN orders.status = 'partially_filled'
            ELSE orders.status = 'new'
        END
    """
).execution_options(yield_per=1_000)


def check_quantities(tx: Connection) -> Checked:
    """What the register of orders says was filled and closed of each is what its executions add up to."""
    checked = Checked(tx.execute(text("SELECT count(*) FROM orders")).scalar_one())
    for order_id, status, quantity, filled, closed, traded, released in tx.execute(_ORDERS):
        if status is None:
            checked.find(f"order {order_id} has executions and is not in orders")
        else:
            checked.find(
                f"order {order_id} of {quantity} is {status} with {filled} filled and {closed} closed; "
                f"its executions fill {traded} and close {released}"
            )
    return checked
