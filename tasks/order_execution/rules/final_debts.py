"""The cost of a security's final settlement to the clients that owe shares of it [cents]."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tasks.shared.rules.loans import collateral_cents


class Debt(NamedTuple):
    """The shares that a client owes, the cash they were sold for, and the cash that its open orders do not hold."""

    client_id: str
    shares: int
    sold_cents: int
    cash_cents: int


class DebtPayment(NamedTuple):
    """Payment of a client's debt by the client, then by the default fund; the rest stays unpaid.

    collateral_cents  the collateral, which is then free
    """

    client_id: str
    shares: int
    due_cents: int
    fund_cents: int
    uncovered_cents: int
    collateral_cents: int


def payments(debts: Iterable[Debt], *, value_cents: int, fund_cents: int) -> list[DebtPayment]:
    """Return how the debts are paid, in their order, each share at its value."""
    paid = []
    for debt in debts:
        due = debt.shares * value_cents
        missing = max(due - debt.cash_cents, 0)
        from_fund = min(missing, fund_cents)
        fund_cents -= from_fund
        freed = collateral_cents(debt.sold_cents)
        paid.append(DebtPayment(debt.client_id, debt.shares, due, from_fund, missing - from_fund, freed))
    return paid
