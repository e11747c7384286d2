"""Rule 8: the feed's numbers have no gap, and the last price of a security is that of its book."""

from __future__ import annotations

from sqlalchemy import Connection, text

from tasks.audit.common.contiguity import check_contiguous
from tasks.audit.common.result import CheckResult


def check_sequences(tx: Connection) -> CheckResult:
    """Check that reports of each client and prices of each security are numbered without a gap since the last drop."""
    reports = check_contiguous(
        tx,
        "reports",
        group="client_id",
        number="sequence",
        heads="report_heads",
        head="sequence",
        since="SELECT about AS client_id, sequence AS last FROM dropped_sequences WHERE table_name = 'reports'",
    )
    prices = check_contiguous(
        tx,
        "prices",
        group="security_id",
        number="sequence",
        heads="books",
        head="price_sequence",
        since="SELECT about AS security_id, sequence AS last FROM dropped_sequences WHERE table_name = 'prices'",
    )
    return reports + prices + _check_last_prices(tx)


_OTHER_PRICES = text(
    """
    SELECT security_id, sequence FROM books JOIN prices USING (security_id)
    WHERE prices.sequence = books.price_sequence AND (prices.bid_cents, prices.ask_cents, prices.last_cents)
        IS DISTINCT FROM (books.bid_cents, books.ask_cents, books.last_cents)
    ORDER BY security_id
    """
)


def _check_last_prices(tx: Connection) -> CheckResult:
    checked = CheckResult()
    for security_id, sequence in tx.execute(_OTHER_PRICES):
        checked.find(f"price {sequence} of {security_id} is its last one and differs from those of its book")
    return checked
