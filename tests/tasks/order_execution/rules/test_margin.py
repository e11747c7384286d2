"""When a buy-in ends, and what the default fund pays. Amounts in cents."""

from __future__ import annotations

import pytest

from tasks.order_execution.rules.margin import Owed, OwingAccount, Payment, payments

ONE_SHARE = [Owed("MSFT", 1, 10_000)]


def account(
    *, balance: int = 0, held: int = 0, orders: int = 0, fund: int = 0, owed: list[Owed] | None = None
) -> OwingAccount:
    return OwingAccount("ANN", balance, held, 0, orders, 1, fund, owed or [])


@pytest.mark.parametrize(
    ("bought_in", "payment"),
    [
        pytest.param(account(), Payment("ANN", 0, is_over=True), id="nothing is owed"),
        pytest.param(account(orders=1), None, id="a purchase is open, which only a buy-in cancels"),
        pytest.param(account(balance=70, fund=50), Payment("ANN", -50, is_over=True), id="the fund gets its cash back"),
        pytest.param(account(balance=30, fund=50), Payment("ANN", -30, is_over=True), id="as far as there is any"),
        pytest.param(account(balance=70, held=70, fund=50, orders=1), None, id="an order holds the cash"),
        pytest.param(account(owed=ONE_SHARE), Payment("ANN", 12_500, is_over=False), id="the fund pays"),
        pytest.param(account(owed=ONE_SHARE, orders=1), None, id="the cash of open orders comes first"),
        pytest.param(account(owed=ONE_SHARE, balance=12_500), None, id="the client can pay"),
    ],
)
def test_payments(bought_in: OwingAccount, payment: Payment | None) -> None:
    assert payments([bought_in], fund_cents=10**6) == ([payment] if payment else [])
