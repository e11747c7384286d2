"""Rules 3 and 7: each trade is settled once, both legs, and each order agrees with its executions."""

from __future__ import annotations

from sqlalchemy import Connection, text

from db.clearing_data.tables import DTCC, EXCHANGE
from tasks.audit.common.result import CheckResult

_LEGS = text(
    """
    SELECT executions.event_id, count(ledger.entry_id)
    FROM executions LEFT JOIN ledger ON ledger.event_id = executions.event_id AND ledger.kind = 'trade'
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


def check_legs(tx: Connection) -> CheckResult:
    """Check that every trade has two legs in the ledger, shares against cash with DTCC, and every leg has a trade."""
    checked = CheckResult(tx.execute(text("SELECT count(*) FROM executions WHERE kind = 'trade'")).scalar_one())
    for event_id, legs in tx.execute(_LEGS, {"dtcc": DTCC}):
        checked.find(f"trade {event_id} has {legs} legs in the ledger, which are not the buyer's and the seller's")
    for entry_id, event_id in tx.execute(_LEGS_OF_NO_TRADE):
        checked.find(f"entry {entry_id} of the ledger is of trade {event_id}, which was not executed")
    return checked


# At the rates of the event's time; a fee is rounded towards zero, as Postgres divides, and a zero fee is not booked.
_FEES = text(
    """
    WITH charged AS (
        SELECT executions.event_id, side.client_id, quantity * price_cents * side.rate_ppm / 1000000 AS cents
        FROM executions
        CROSS JOIN LATERAL (
            SELECT maker_fee_ppm, taker_fee_ppm FROM fee_rates
            WHERE fee_rates.security_id = executions.security_id AND from_event_id <= executions.event_id
            ORDER BY from_event_id DESC, set_us DESC LIMIT 1
        ) AS rates
        CROSS JOIN LATERAL (VALUES
            (buyer, CASE aggressor_side
                WHEN 'buy' THEN taker_fee_ppm WHEN 'sell' THEN maker_fee_ppm ELSE greatest(maker_fee_ppm, taker_fee_ppm)
            END),
            (seller, CASE aggressor_side
                WHEN 'sell' THEN taker_fee_ppm WHEN 'buy' THEN maker_fee_ppm ELSE greatest(maker_fee_ppm, taker_fee_ppm)
            END)
        ) AS side (client_id, rate_ppm)
        WHERE kind = 'trade'
    ), booked AS (
        SELECT event_id, account AS client_id, -sum(cash_cents) AS cents,
            count(*) = 1 AND bool_and(contra_account = :exchange AND shares = 0) AS is_sound
        FROM ledger WHERE kind = 'fee' GROUP BY event_id, account
    )
    SELECT event_id, client_id, COALESCE(booked.cents, 0), COALESCE(charged.cents, 0)
    FROM charged FULL JOIN booked USING (event_id, client_id)
    WHERE COALESCE(booked.cents, 0) <> COALESCE(charged.cents, 0) OR NOT is_sound
    """
).execution_options(yield_per=1_000)


def check_fees(tx: Connection) -> CheckResult:
    """Check that both sides of every trade paid at the rates of its time, in one entry each, and nothing else."""
    checked = CheckResult()
    for event_id, client_id, booked, charged in tx.execute(_FEES, {"exchange": EXCHANGE}):
        checked.find(f"{client_id} has paid {booked} cents for trade {event_id}; the rates say {charged}")
    return checked


_FAILED = text(
    """
    SELECT event_id FROM executions
    WHERE kind = 'failed' AND NOT EXISTS (
        SELECT FROM accounts WHERE client_id IN (executions.buyer, executions.seller) AND state = 'closed'
    )
    """
).execution_options(yield_per=1_000)


def check_failures(tx: Connection) -> CheckResult:
    """Check that trades fail only because of closed accounts, which stay closed for good."""
    checked = CheckResult()
    for (event_id,) in tx.execute(_FAILED):
        checked.find(f"trade {event_id} failed, and neither side's account is closed")
    return checked


# The status of an order follows from its quantities; only an order without fills can have been rejected, by order entry
# or by the engine. Before a replacement has settled, fills may exceed the quantity.
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
            SELECT COALESCE(buy_order_id, sell_order_id), 0, 0, quantity
            FROM executions WHERE kind IN ('cancelled', 'rejected')
            UNION ALL
            SELECT buy_order_id, 0, 0, quantity FROM executions WHERE kind = 'failed'
            UNION ALL
            SELECT sell_order_id, 0, 0, quantity FROM executions WHERE kind = 'failed'
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
        OR orders.filled_quantity + orders.closed_quantity > greatest(orders.quantity, orders.largest_quantity)
        OR NOT CASE
            WHEN orders.filled_quantity >= orders.quantity THEN orders.status = 'filled'
            WHEN orders.closed_quantity = orders.quantity THEN orders.status IN ('cancelled', 'rejected')
            WHEN orders.filled_quantity + orders.closed_quantity >= orders.quantity THEN orders.status = 'cancelled'
            WHEN orders.filled_quantity > 0 THEN orders.status = 'partially_filled'
            ELSE orders.status = 'new'
        END
    """
).execution_options(yield_per=1_000)


def check_quantities(tx: Connection) -> CheckResult:
    """Check that the filled and closed quantities of each order are the sums of its executions."""
    checked = CheckResult(tx.execute(text("SELECT count(*) FROM orders")).scalar_one())
    for order_id, status, quantity, filled, closed, traded, released in tx.execute(_ORDERS):
        if status is None:
            checked.find(f"order {order_id} has executions and is not in orders")
        else:
            checked.find(
                f"order {order_id} of {quantity} is {status} with {filled} filled and {closed} closed; "
                f"its executions fill {traded} and close {released}"
            )
    return checked
