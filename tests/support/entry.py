"""Requests as the api makes them, and the invariants of `clearing_data` after order entry."""

from __future__ import annotations

from fractions import Fraction

from sqlalchemy import Connection

from tasks.messages import CancelRequest, HaltRequest, MassCancelRequest, OrderRequest, ReplaceRequest
from tasks.order_entry.rules.decisions import Limits

LIMITS = Limits(market_order_band=Fraction("0.10"), max_order_quantity=1_000_000, max_open_orders=10_000)


def order(order_id: int, **terms: object) -> OrderRequest:
    """Return a buy of 1 MSFT at 100.00 by SINGLE, with these terms changed."""
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
    """Return a cancel of an order of MSFT by SINGLE, with these terms changed."""
    fields = {"client_id": "SINGLE", "security_id": "MSFT", "received_us": 6}
    return CancelRequest(command_id=command_id, order_id=order_id, **fields | terms)


def replace(command_id: int, order_id: int, **terms: object) -> ReplaceRequest:
    """Return a replacement of an order of MSFT by SINGLE with its terms, except for these."""
    fields = {"client_id": "SINGLE", "security_id": "MSFT", "quantity": None, "price_cents": None, "received_us": 6}
    return ReplaceRequest(command_id=command_id, order_id=order_id, **fields | terms)


def mass_cancel(command_id: int, **terms: object) -> MassCancelRequest:
    """Return a cancel of all open orders of SINGLE on shard 0, with these terms changed."""
    fields = {"client_id": "SINGLE", "shard": 0, "security_id": None, "side": None, "received_us": 6}
    return MassCancelRequest(command_id=command_id, **fields | terms)


def halt(command_id: int, security_id: str = "MSFT", *, halted: bool = True) -> HaltRequest:
    """Return a halt of a security, or its end."""
    return HaltRequest(command_id, security_id, halted, 6)


# The hold of an order: its open shares, and the reservations for its replacements.
_NEEDS = """
    WITH needs AS (
        SELECT client_id, security_id, side, hold_cents, status, quantity - filled_quantity - closed_quantity AS rest,
            COALESCE((SELECT sum(reserved) FROM pending_replaces AS one WHERE one.order_id = orders.order_id), 0)
                AS reserved,
            owned_quantity, CASE WHEN owned_quantity IS NULL THEN 0 ELSE
                least(owned_quantity, greatest(quantity, largest_quantity) - closed_quantity)
                - least(owned_quantity, filled_quantity) END AS owned,
            CASE WHEN owned_quantity IS NULL THEN 0 ELSE
                greatest(greatest(quantity, largest_quantity) - closed_quantity - owned_quantity, 0)
                - greatest(filled_quantity - owned_quantity, 0) END AS short,
            COALESCE(margin_price_cents, 0) AS margin_price_cents,
            ceil(
                CAST(greatest(quantity, largest_quantity) - filled_quantity - closed_quantity AS numeric)
                * greatest(hold_cents, largest_hold_cents) * fee_ppm / 1000000
            ) AS fees
        FROM orders
    )"""

# Each query finds violations.
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
        SELECT client_id FROM accounts LEFT JOIN needs USING (client_id) GROUP BY client_id
        HAVING held_cents <> COALESCE(sum(rest * hold_cents + reserved + fees) FILTER (WHERE side = 'buy'), 0)
                + COALESCE(sum((short * margin_price_cents + 1) / 2), 0)
            OR open_orders <> count(*) FILTER (WHERE status IN ('new', 'partially_filled'))""",
    "held shares are not what open orders need": """
        SELECT client_id FROM holdings LEFT JOIN needs USING (client_id, security_id)
        GROUP BY client_id, security_id, held, located
        HAVING client_id <> 'DTCC' AND held <> COALESCE(sum(owned), 0)
                + COALESCE(sum(rest + reserved) FILTER (WHERE side = 'sell' AND owned_quantity IS NULL), 0)
            OR located <> COALESCE(sum(short), 0)""",
    "DTCC holds something else than what orders may borrow": """
        SELECT security_id FROM holdings WHERE client_id = 'DTCC' AND held <> COALESCE((
            SELECT sum(short) FROM needs WHERE needs.security_id = holdings.security_id), 0)""",
    "shares are owed while some are available, or are not lent": """
        SELECT client_id FROM holdings WHERE borrowed > 0 AND shares > held OR borrowed <> COALESCE((
            SELECT sum(ledger.shares) FROM ledger WHERE kind IN ('loan', 'return')
            AND account = client_id AND ledger.security_id = holdings.security_id), 0)""",
    "collateral is not what is owed requires": """
        SELECT client_id FROM accounts WHERE collateral_cents <> COALESCE((
            SELECT sum((3 * sold_cents + 1) / 2) FROM holdings WHERE holdings.client_id = accounts.client_id), 0)""",
    "an order may grow to less than a replacement that is on its way makes of it": """
        SELECT order_id FROM pending_replaces AS pending LEFT JOIN orders USING (order_id, client_id)
        WHERE pending.quantity > COALESCE(largest_quantity, 0) OR orders.order_id IS NULL""",
    "a replacement is pending that is not in the log": """
        SELECT command_id FROM pending_replaces LEFT JOIN order_log USING (command_id)
        WHERE starts_with(command, '["replace",') IS NOT true""",
    "the phase of a security is not that of the last change in the log": """
        SELECT security_id FROM securities JOIN (
            SELECT DISTINCT ON (security) command::json->>2 AS security, command::json->>3 AS phase
            FROM order_log WHERE starts_with(command, '["phase",') ORDER BY security, seq DESC
        ) AS last ON security = security_id WHERE securities.phase <> last.phase AND settlement_cents IS NULL""",
    "something is below zero": """
        SELECT client_id FROM accounts WHERE held_cents < 0 OR balance_cents < held_cents
        UNION ALL SELECT client_id FROM holdings WHERE held < 0 OR shares < held""",
    "the table of open orders is not that of the orders that are open": """
        SELECT order_id FROM orders FULL JOIN open_orders USING (client_id, order_id)
        WHERE (status IN ('new', 'partially_filled')) IS DISTINCT FROM (open_orders.order_id IS NOT NULL)""",
}


def assert_books_hold(tx: Connection) -> None:
    """Check every invariant that order entry guarantees in `clearing_data`."""
    for fault, query in _BROKEN.items():
        assert tx.exec_driver_sql(_NEEDS + query).all() == [], fault
