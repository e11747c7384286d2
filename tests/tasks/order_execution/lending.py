"""An exchange on a real Postgres on which a client sells short, and what the client has and owes."""

from __future__ import annotations

from typing import NamedTuple

from db.clearing_data.clients import accounts
from db.clearing_data.clients import limits as account_limits
from db.clearing_data.listing import trading_day
from db.connect import Database
from tasks.messages import Request
from tasks.order_entry.tick import tick
from tasks.order_execution.margin import check_all
from tasks.order_execution.rules.clearing import once_each
from tasks.order_execution.securities import events_of, record
from tasks.order_execution.settle import settle_once
from tests.support.trading import CASH_CENTS, LIMITS, NOW_US, Exchange, open_accounts
from tests.tasks.order_execution.books import check_all_books

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
        record(self.clearing_data, events_of(batches, volatility_auction_us=1))
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
        """Check all that must hold between any two batches."""
        check_all_books(self.clearing_data)


def buy_in(lending: Lending, *, at_us: int) -> None:
    """Let a second pass: the clearinghouse looks at the margin, the scheduler rings, and the orders trade."""
    check_all(lending.clearing_data, now_us=at_us)
    lending.exchange.move_clock(at_us)
    ticked = tick(lending.clearing_data, limits=LIMITS, now_us=at_us)
    settle_once(lending.clearing_data, once_each(lending.exchange.sequenced(ticked.batches)), settled_us=at_us)
    with lending.clearing_data.transaction() as tx:
        trading_day.forget_unsent(tx, ticked.ranges)
    lending.check()


def be_poor(lending: Lending, cents: int) -> None:
    """Leave ANN with so much cash."""
    with lending.clearing_data.transaction() as tx:
        accounts.withdraw_cash(tx, "ANN", "out", amount_cents=CASH_CENTS - cents, now_us=NOW_US)


def give_fund(lending: Lending, cents: int) -> None:
    with lending.clearing_data.transaction() as tx:
        accounts.deposit_cash(tx, "EXCHANGE", "fund", amount_cents=cents, now_us=NOW_US)


def fund(lending: Lending) -> int:
    with lending.clearing_data.snapshot() as tx:
        account = accounts.account(tx, "EXCHANGE")
    assert account is not None
    return account.balance_cents
