"""Requests as the api makes them, and what must hold in `clearing_data` after order entry has had them."""

from __future__ import annotations

from fractions import Fraction

from sqlalchemy import Connection, text

from tasks.messages import CancelRequest, OrderRequest
from tasks.order_entry.rules import Limits

LIMITS = Limits(market_order_band=Fraction("0.10"), max_order_quantity=1_000_000, max_open_orders=10_000)


def order(order_id: int, **terms: object) -> OrderRequest:
    """A buy of 1 MSFT at 100.00 by SINGLE, but for the terms."""
    fields = {
        "client_id": "SINGLE",
        "client_order_id": None,
        "security_id": "MSFT",
        "type": "limit",
        "side": "buy",
        "quantity": 1,
        "price_cents": 10_000,
        "time_in_force": "gtc",
        "post_only": False,
        "received_us": 5,
    }
    return OrderRequest(order_id=order_id, **fields | terms)


def cancel(command_id: int, order_id: int, **terms: object) -> CancelRequest:
    """A cancel of an order of MSFT by SINGLE, but for the terms."""
    fields = {"client_id": "SINGLE", "security_id": "MSFT", "received_us": 6}
    return CancelRequest(command_id=command_id, order_id=order_id, **fields | terms)


# Each finds what must not be.
_BROKEN = {
    "a number of a log is missing": """
        SELECT shard FROM shards LEFT JOIN order_log USING (shard) GROUP BY shard, last_seq
        HAVING last_seq <> count(seq) OR last_seq <> COALESCE(max(seq), 0)""",
    "a request was both admitted and denied": """
        SELECT command_id FROM order_log JOIN denials USING (command_id)""",
    "a denied order holds something": """
        SELECT order_id FROM orders JOIN denials ON command_id = order_id
        WHERE (status, hold_cents, closed_quantity, orders.reason) <> ('rejected', 0, quantity, denials.reason)""",
    "an order is neither in the log nor denied": """
        SELECT order_id FROM orders
        WHERE order_id NOT IN (SELECT command_id FROM order_log UNION SELECT command_id FROM denials)""",
    "held cash or the count of open orders is not what open orders need": """
        SELECT client_id FROM accounts LEFT JOIN orders USING (client_id) GROUP BY client_id
        HAVING held_cents <> COALESCE(sum((quantity - filled_quantity - closed_quantity) * hold_cents)
                FILTER (WHERE side = 'buy'), 0)
            OR open_orders <> count(*) FILTER (WHERE status IN ('new', 'partially_filled'))""",
    "held shares are not what open orders need": """
        SELECT client_id FROM holdings LEFT JOIN orders USING (client_id, security_id) GROUP BY client_id, security_id
        HAVING held <> COALESCE(sum(quantity - filled_quantity - closed_quantity) FILTER (WHERE side = 'sell'), 0)""",
    "something is below zero": """
        SELECT client_id FROM accounts WHERE held_cents < 0 OR balance_cents < held_cents
        UNION ALL SELECT client_id FROM holdings WHERE held < 0 OR shares < held""",
    "the table of open orders is not that of the orders that are open": """
        SELECT order_id FROM orders FULL JOIN open_orders USING (client_id, order_id)
        WHERE (status IN ('new', 'partially_filled')) IS DISTINCT FROM (open_orders.order_id IS NOT NULL)""",
}


def assert_books_hold(tx: Connection) -> None:
    """Everything that order entry promises of `clearing_data`."""
    for fault, query in _BROKEN.items():
        assert tx.execute(text(query)).all() == [], fault
