"""The audit names every fault of loans and collateral: each is made in a transaction that is rolled back."""

from __future__ import annotations

from sqlalchemy import Connection, text

from db.clearing_data.lending import margin
from db.connect import Database
from tasks.audit.clearing.loans import check_collateral, check_loans
from tasks.audit.clearing.money import check_conservation, check_holds
from tasks.order_execution.rules.margin import Payment
from tests.support.trading import NOW_US
from tests.tasks.audit.faults import LOAN_FAULTS
from tests.tasks.audit.faults.fault import Fault
from tests.tasks.order_execution.lending import Lending, give_fund

CHECKS = {4: (check_conservation,), 5: (check_holds,), 9: (check_loans, check_collateral)}
CONSTRAINTS = {"holdings": ("holdings_covered", "holdings_borrowed"), "accounts": ("accounts_covered",)}


def findings(tx: Connection, rule: int) -> list[str]:
    return [finding for check in CHECKS[rule] for finding in check(tx).findings]


def lend(lending: Lending) -> None:
    """Have ANN owe shares, with an order that may borrow more, and the default fund pay for her."""
    give_fund(lending, 1_000)
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    lending.trade(lending.sell(10, 11_000), lending.buy(3, 11_000))
    lending.trade(lending.sell(2, 10_500, "CID"), lending.buy(2, 10_500, "ANN"))
    with lending.clearing_data.transaction() as tx:
        margin.fund(tx)
        margin.pay(tx, [Payment("ANN", 100, is_over=False)], now_us=NOW_US)


def test_every_fault_is_named(clearing_data: Database) -> None:
    lending = Lending(clearing_data)
    lend(lending)
    with clearing_data.snapshot() as tx:
        assert [finding for rule in CHECKS for finding in findings(tx, rule)] == []
    missed = [name for name, fault in LOAN_FAULTS.items() if not is_named(clearing_data, name, fault)]
    assert missed == []


def is_named(clearing_data: Database, name: str, fault: Fault) -> bool:
    """Make a fault, and return whether the audit names it."""
    with clearing_data.engine.connect() as tx:
        row = tx.execute(text(fault.row)).scalar_one()
        tx.execute(text("ALTER TABLE ledger DISABLE TRIGGER append_only"))
        for table, constraints in CONSTRAINTS.items():
            for constraint in constraints:
                tx.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}"))
        assert tx.execute(text(fault.breakage), {"row": row}).rowcount > 0, f"nothing was broken: {name}"
        found = findings(tx, fault.rule)
        tx.rollback()
    return any(fault.finding.format(row=row, row1=row + 1) in finding for finding in found)
