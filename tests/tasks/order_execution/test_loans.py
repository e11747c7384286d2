"""Selling short on a real Postgres: what order entry holds, what settlement lends, what the client has and owes."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from db.clearing_data import account_limits, accounts
from db.connect import Database
from tasks.audit.clearing.loans import check_collateral, check_loans
from tasks.audit.clearing.money import check_conservation, check_holds
from tasks.messages import Request
from tasks.order_execution.rules.clearing import once_each
from tasks.order_execution.settle import settle_once
from tests.support.entry import assert_books_hold
from tests.support.trading import CASH_CENTS, NOW_US, Exchange, open_accounts

# No client has TSLA at first; DTCC has all of it.
TSLA = {"security_id": "TSLA"}


class Has(NamedTuple):
    """What a client has of TSLA, and its cash."""

    shares: int
    borrowed: int
    located: int
    balance_cents: int
    held_cents: int
    collateral_cents: int


class Lending:
    """An exchange on which ANN may sell short."""

    def __init__(self, clearing_data: Database, *, short_limit: int = 1_000) -> None:
        self.clearing_data = clearing_data
        open_accounts(clearing_data)
        self.exchange = Exchange(clearing_data)
        with clearing_data.transaction() as tx:
            account_limits.change(tx, "ANN", {"short_limit": short_limit})
            for client_id in ("BOB", "CID"):
                accounts.deposit_shares(
                    tx, client_id, f"{client_id} TSLA", security_id="TSLA", quantity=1_000, now_us=NOW_US
                )

    def trade(self, *requests: Request) -> list[str | None]:
        """Take requests through order entry, matching and settlement; return why they were denied, or None."""
        batches, feed = self.exchange.enter(requests)
        settle_once(self.clearing_data, once_each(batches), settled_us=NOW_US)
        self.check()
        return [report.reason for report in feed[0].orders]

    def sell(self, quantity: int, price_cents: int, client_id: str = "ANN") -> Request:
        return self.exchange.order("sell", client_id, quantity, price_cents, **TSLA)

    def buy(self, quantity: int, price_cents: int, client_id: str = "BOB") -> Request:
        return self.exchange.order("buy", client_id, quantity, price_cents, **TSLA)

    def has(self, client_id: str = "ANN") -> Has:
        with self.clearing_data.snapshot() as tx:
            account = accounts.account(tx, client_id)
            holding = accounts.holding(tx, client_id, "TSLA")
        assert account is not None
        return Has(
            holding.shares,
            holding.borrowed,
            holding.located,
            account.balance_cents,
            account.held_cents,
            account.collateral_cents,
        )

    def check(self) -> None:
        """Check all that must hold between any two units."""
        with self.clearing_data.snapshot() as tx:
            assert_books_hold(tx)
            for check in (check_loans, check_collateral, check_conservation, check_holds):
                assert check(tx).findings == [], check


@pytest.fixture
def lending(clearing_data: Database) -> Lending:
    return Lending(clearing_data)


def test_a_short_position_is_opened_added_to_reduced_and_covered(lending: Lending) -> None:
    assert lending.trade(lending.sell(10, 10_000)) == [None]
    assert lending.has() == Has(0, 0, 10, CASH_CENTS, 50_000, 0)  # half of 10 x 100.00
    lending.trade(lending.buy(4, 10_000))
    assert lending.has() == Has(0, 4, 6, CASH_CENTS + 40_000, 30_000, 60_000)  # 150 % of 4 x 100.00
    lending.trade(lending.buy(6, 10_000))
    assert lending.has() == Has(0, 10, 0, CASH_CENTS + 100_000, 0, 150_000)
    lending.trade(lending.sell(10, 11_000), lending.buy(10, 11_000))
    assert lending.has() == Has(0, 20, 0, CASH_CENTS + 210_000, 0, 315_000)
    # The shares that were sold first are returned first.
    lending.trade(lending.sell(5, 9_000, "CID"), lending.buy(5, 9_000, "ANN"))
    assert lending.has() == Has(0, 15, 0, CASH_CENTS + 165_000, 0, 240_000)
    lending.trade(lending.sell(20, 9_000, "CID"), lending.buy(20, 9_000, "ANN"))
    assert lending.has() == Has(5, 0, 0, CASH_CENTS - 15_000, 0, 0)
