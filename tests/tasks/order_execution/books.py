"""What must hold between any two batches."""

from __future__ import annotations

from sqlalchemy import text

from db.connect import Database
from tasks.audit.clearing.loans import check_collateral, check_loans
from tasks.audit.clearing.money import check_conservation, check_holds
from tests.support.entry import assert_books_hold


def check_all_books(clearing_data: Database) -> None:
    """Check what must hold between any two batches, and that the two-phase view shows what is held."""
    with clearing_data.snapshot() as tx:
        assert_books_hold(tx)
        for check in (check_loans, check_collateral, check_conservation, check_holds):
            assert check(tx).findings == [], check
        pending = "SELECT COALESCE(sum(amount), 0) FROM pending_transfers WHERE account = client_id AND asset ="
        assert tx.execute(text(f"SELECT * FROM accounts WHERE held_cents <> ({pending} 'USD')")).all() == []
        assert tx.execute(text(f"SELECT * FROM holdings WHERE held <> ({pending} security_id)")).all() == []
