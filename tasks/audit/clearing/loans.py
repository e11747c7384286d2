"""Rule 9: clients owe exactly the shares that DTCC lent them, and have the collateral that these require."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, text

from db.clearing_data.lending.loans import LOAN, RETURN, last_sales
from db.clearing_data.tables import DTCC
from tasks.audit.common.result import CheckResult
from tasks.shared.rules import loans

_OWED = text(
    """
    WITH lent AS (
        SELECT account AS client_id, security_id, sum(shares) AS shares,
            bool_and(contra_account = :dtcc AND cash_cents = 0 AND shares <> 0 AND (shares > 0) = (kind = :loan))
                AS is_sound
        FROM ledger WHERE kind IN (:loan, :return) GROUP BY account, security_id
    )
    SELECT client_id, security_id, COALESCE(borrowed, 0), COALESCE(lent.shares, 0), COALESCE(is_sound, true),
        holdings.shares - held
    FROM holdings FULL JOIN lent USING (client_id, security_id)
    WHERE COALESCE(borrowed, 0) <> COALESCE(lent.shares, 0) OR is_sound IS false
        OR borrowed < 0 OR (borrowed > 0 AND holdings.shares <> held) OR (client_id = :dtcc AND borrowed <> 0)
    """
)


def check_loans(tx: Connection) -> CheckResult:
    """Check that every client owes the shares that DTCC lent it, and none while it has shares available."""
    checked = CheckResult(tx.execute(text("SELECT count(*) FROM holdings")).scalar_one())
    names = {"dtcc": DTCC, "loan": LOAN, "return": RETURN}
    for client_id, security_id, borrowed, lent, is_sound, available in tx.execute(_OWED, names):
        if borrowed != lent:
            checked.find(f"{client_id} owes {borrowed} {security_id}, and {DTCC} has lent it {lent}")
        if not is_sound:
            checked.find(f"a loan of {security_id} to {client_id} is not one of shares from {DTCC}")
        if borrowed < 0 or client_id == DTCC:
            checked.find(f"{client_id} owes {borrowed} {security_id}, which it cannot")
        elif borrowed and available:
            checked.find(f"{client_id} owes {borrowed} {security_id} and has {available} available")
    return checked


_POSITIONS = text(
    "SELECT client_id, security_id, borrowed, sold_cents FROM holdings WHERE borrowed <> 0 OR sold_cents <> 0"
)
_COLLATERAL = text(
    "SELECT client_id, collateral_cents FROM accounts WHERE collateral_cents <> 0 OR client_id = ANY(:owing)"
)
# All sales of a client since the first one recorded here are recorded, each as it was settled.
_SALES = text(
    """
    WITH expected AS (
        SELECT seller AS client_id, security_id, event_id, quantity, price_cents FROM executions
        WHERE kind = 'trade' AND seller IN (SELECT client_id FROM accounts WHERE sells_short)
    ), since AS (
        SELECT short_sales.client_id, short_sales.security_id, min(event_id) AS first_id FROM short_sales
        JOIN executions USING (event_id) JOIN orders ON orders.order_id = sell_order_id
        WHERE owned_quantity IS NOT NULL GROUP BY short_sales.client_id, short_sales.security_id
    )
    SELECT event_id FROM short_sales AS recorded FULL JOIN expected USING (client_id, security_id, event_id)
    LEFT JOIN since USING (client_id, security_id)
    WHERE (recorded.quantity, recorded.price_cents) IS DISTINCT FROM (expected.quantity, expected.price_cents)
        AND (recorded.quantity IS NOT NULL OR event_id >= first_id)
    """
)


def check_collateral(tx: Connection) -> CheckResult:
    """Check that collateral is 150 % of the proceeds of the owed shares, which are the last ones sold."""
    positions = {(row.client_id, row.security_id): (row.borrowed, row.sold_cents) for row in tx.execute(_POSITIONS)}
    checked = CheckResult(len(positions))
    sales = last_sales(tx, {owner: borrowed for owner, (borrowed, _) in positions.items() if borrowed > 0})
    required: Counter[str] = Counter()
    for (client_id, security_id), (borrowed, sold_cents) in positions.items():
        try:
            expected = loans.sold_cents(sales.get((client_id, security_id), ()), max(borrowed, 0))
        except ValueError as fault:
            checked.find(f"{client_id} owes {borrowed} {security_id}: {fault}")
            continue
        if sold_cents != expected:
            checked.find(f"the {security_id} that {client_id} owes were sold for {expected} cents, not {sold_cents}")
        required[client_id] += loans.collateral_cents(expected)
    for client_id, collateral in tx.execute(_COLLATERAL, {"owing": list(required)}):
        if collateral != required[client_id]:
            checked.find(
                f"account {client_id} has {collateral} cents of collateral; what it owes requires {required[client_id]}"
            )
    for (event_id,) in tx.execute(_SALES):
        checked.find(f"sale {event_id} of a client that sells short is not recorded as it was settled")
    return checked
