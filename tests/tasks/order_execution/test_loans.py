"""Selling short on a real Postgres: what order entry holds, what settlement lends, what the client has and owes."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from db.clearing_data.clients import accounts
from db.clearing_data.clients import limits as account_limits
from db.clearing_data.clients.states import close
from db.connect import Database
from tasks.audit.clearing.money import check_final_settlements
from tasks.messages import PhaseRequest, SettleRequest
from tasks.order_execution.margin import check_all
from tasks.order_execution.rules.clearing import once_each
from tasks.order_execution.securities import events_of, record, settle_due
from tasks.order_execution.settle import settle_once
from tests.support.trading import CASH_CENTS, CLIENTS, NOW_US, Exchange, open_accounts
from tests.tasks.order_execution.books import check_all_books
from tests.tasks.order_execution.lending import Has, Lending, be_poor, fund, give_fund
from tests.tasks.order_execution.states import executions_of, restorable, state
from tests.tasks.order_execution.test_settle_properties import WORKERS, shuffled
from tests.tasks.order_execution.test_settle_properties import settle as settle_as_a_worker


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


def test_collateral_is_that_of_the_last_sales_when_there_are_more_sales_than_shares_owed(lending: Lending) -> None:
    for price_cents in (10_000, 11_000, 12_000):
        lending.trade(lending.sell(1, price_cents), lending.buy(1, price_cents))
    assert lending.has() == Has(0, 3, 0, CASH_CENTS + 33_000, 0, 49_500)
    lending.trade(lending.sell(2, 9_000, "CID"), lending.buy(2, 9_000, "ANN"))
    assert lending.has() == Has(0, 1, 0, CASH_CENTS + 15_000, 0, 18_000)  # 150 % of 120.00


def test_an_order_that_sells_more_than_is_there_sells_what_is_there_first(lending: Lending) -> None:
    lending.trade(lending.sell(100, 10_000, "CID"), lending.buy(100, 10_000, "ANN"))
    cash = lending.has().balance_cents
    lending.trade(lending.sell(150, 10_000))
    assert lending.has() == Has(100, 0, 50, cash, 250_000, 0)
    lending.trade(lending.buy(60, 10_000))
    assert lending.has() == Has(40, 0, 50, cash + 600_000, 250_000, 0)
    lending.trade(lending.buy(60, 10_000))
    assert lending.has() == Has(0, 20, 30, cash + 1_200_000, 150_000, 300_000)


def test_what_becomes_available_is_returned(lending: Lending) -> None:
    """ANN owes shares while her other order holds shares of her own; when she cancels that, they are returned."""
    lending.trade(lending.sell(100, 10_000, "CID"), lending.buy(100, 10_000, "ANN"))
    resting = lending.sell(100, 20_000)
    lending.trade(resting)
    lending.trade(lending.sell(30, 10_000), lending.buy(30, 10_000))
    assert lending.has()[:3] == (100, 30, 0)
    lending.trade(lending.exchange.cancel(resting))
    assert lending.has() == Has(70, 0, 0, CASH_CENTS - 700_000, 0, 0)


@pytest.mark.parametrize(
    ("quantity", "price_cents", "reason"),
    [(1_001, 1, "short_limit"), (151, 10_000, "nothing_to_borrow"), (101, 1_000_000, "insufficient_margin")],
)
def test_why_a_short_sale_is_refused(lending: Lending, quantity: int, price_cents: int, reason: str) -> None:
    with lending.clearing_data.transaction() as tx:
        left = accounts.holding(tx, "DTCC", "TSLA").available - 150
        accounts.deposit_shares(tx, "DOT", "most", security_id="TSLA", quantity=left, now_us=NOW_US)
    assert lending.trade(lending.sell(quantity, price_cents)) == [reason]
    assert lending.has() == Has(0, 0, 0, CASH_CENTS, 0, 0)
    assert lending.trade(lending.sell(1, 100, "DOT"), lending.sell(left + 1, 100, "DOT")) == [
        None,
        "insufficient_holdings",
    ]


def test_orders_of_one_batch_share_the_limit_the_lender_and_the_cash(lending: Lending) -> None:
    denied = lending.trade(*(lending.sell(400, 10_000) for _ in range(3)))
    assert denied == [None, None, "short_limit"]
    assert lending.trade(lending.sell(201, 10_000), lending.sell(200, 10_000)) == ["short_limit", None]


def test_replacements_of_short_sales(lending: Lending) -> None:
    order = lending.sell(10, 10_000)
    lending.trade(order)
    lending.trade(lending.exchange.replace(order, quantity=20, price_cents=11_000))
    assert lending.has() == Has(0, 0, 20, CASH_CENTS, 110_000, 0)
    lending.trade(lending.exchange.replace(order, quantity=15, price_cents=10_000))
    assert lending.has() == Has(0, 0, 15, CASH_CENTS, 75_000, 0)
    assert lending.trade(lending.exchange.replace(order, quantity=1_001, price_cents=None)) == ["short_limit"]
    lending.trade(lending.buy(5, 10_000))
    lending.trade(lending.exchange.replace(order, quantity=25, price_cents=None))
    assert lending.has() == Has(0, 5, 20, CASH_CENTS + 50_000, 100_000, 75_000)
    lending.trade(lending.exchange.cancel(order))
    assert lending.has() == Has(0, 5, 0, CASH_CENTS + 50_000, 0, 75_000)


def test_a_replacement_may_turn_a_sale_into_a_short_one(lending: Lending) -> None:
    lending.trade(lending.sell(100, 10_000, "CID"), lending.buy(100, 10_000, "ANN"))
    order = lending.sell(60, 12_000)
    lending.trade(order)
    assert lending.trade(lending.exchange.replace(order, quantity=150, price_cents=None)) == [None]
    assert lending.has() == Has(100, 0, 50, CASH_CENTS - 1_000_000, 300_000, 0)
    lending.trade(lending.buy(120, 12_000))
    assert lending.has() == Has(0, 20, 30, CASH_CENTS + 440_000, 180_000, 360_000)


def test_shares_that_come_in_are_returned_first(lending: Lending) -> None:
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    for number, quantity in enumerate((4, 10)):
        with lending.clearing_data.transaction() as tx:
            moved = accounts.deposit_shares(
                tx, "ANN", f"in {number}", security_id="TSLA", quantity=quantity, now_us=NOW_US
            )
            assert moved == "booked"
        lending.check()
    assert lending.has() == Has(4, 0, 0, CASH_CENTS + 100_000, 0, 0)


def test_an_account_that_owes_shares_cannot_be_closed(lending: Lending) -> None:
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    with lending.clearing_data.transaction() as tx:
        assert close(tx, "ANN") == "owes_shares"
    lending.trade(lending.buy(10, 10_000, "ANN"), lending.sell(10, 10_000, "CID"))
    # What is open when the account is closed is located no more, and what has traded fails.
    batches, _ = lending.exchange.enter([lending.sell(10, 10_000), lending.buy(5, 10_000)])
    with lending.clearing_data.transaction() as tx:
        assert close(tx, "ANN") == "closed"
    settle_once(lending.clearing_data, once_each(batches), settled_us=NOW_US)
    lending.trade(lending.exchange.mass_cancel("ANN", shard=0), lending.exchange.mass_cancel("ANN", shard=1))
    assert lending.has() == Has(0, 0, 0, CASH_CENTS, 0, 0)


@pytest.mark.parametrize(("value_cents", "fund_cents"), [(8_000, 0), (20_000, 50_000), (40_000, 100_000)])
def test_the_final_settlement_has_debtors_pay(lending: Lending, value_cents: int, fund_cents: int) -> None:
    """ANN has 1,500.00 and owes 10 shares; the default fund has 1,000.00."""
    be_poor(lending, 50_000)
    give_fund(lending, 100_000)
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    batches, _ = lending.exchange.enter([SettleRequest(10_001, "TSLA", "end", value_cents, 5)])
    record(lending.clearing_data, events_of(batches, volatility_auction_us=1))
    settle_once(lending.clearing_data, once_each(batches), settled_us=NOW_US)
    assert settle_due(lending.clearing_data, now_us=NOW_US) == ["TSLA"]
    lending.check()
    assert lending.has() == Has(0, 0, 0, max(150_000 - 10 * value_cents, 0), 0, 0)
    assert fund(lending) == 100_000 - fund_cents
    with lending.clearing_data.transaction() as tx:
        accounts.deposit_cash(tx, "ANN", "next round", amount_cents=7_000, now_us=NOW_US)
    check_all(lending.clearing_data, now_us=NOW_US + 1)
    assert fund(lending) == 100_000 - fund_cents
    with lending.clearing_data.snapshot() as tx:
        assert check_final_settlements(tx).findings == []
        assert accounts.holding(tx, "DTCC", "TSLA").shares == 100_000


@pytest.mark.parametrize("seed", range(2))
def test_the_outcome_does_not_depend_on_the_order_of_arrival_or_workers(clearing_data: Database, seed: int) -> None:
    """All clients sell short, replace and cancel, in auctions, too; in one of the cases, an account is closed.

    Executions come in any order and many of them twice. In the end one security is settled in cash.
    """
    open_accounts(clearing_data)
    with clearing_data.transaction() as tx:
        for client_id in CLIENTS:
            account_limits.change(tx, client_id, {"short_limit": 2_000})
            for security_id in ("MSFT", "AAPL"):
                accounts.withdraw_shares(
                    tx, client_id, f"{client_id} {security_id}", security_id=security_id, quantity=4_960, now_us=NOW_US
                )
    exchange = Exchange(clearing_data, seed=seed)
    batches = [batch for turn in range(10) for batch in exchange.enter([*exchange.every_kind(40), phase(turn)])[0]]
    batches += exchange.enter([SettleRequest(10_100, "AAPL", "end", 11_000, 5)])[0]
    executions = executions_of(batches)
    record(clearing_data, events_of(batches, volatility_auction_us=1))
    if seed % 2:
        with clearing_data.transaction() as tx:
            tx.execute(text("UPDATE accounts SET state = 'closed' WHERE client_id = 'CID'"))
    with restorable(clearing_data) as restore:
        settle_as_a_worker(clearing_data, executions)
        assert settle_due(clearing_data, now_us=NOW_US) == ["AAPL"]
        at_once = state(clearing_data)
        check_all_books(clearing_data)
        restore()
        with clearing_data.transaction() as tx:
            tx.execute(text("UPDATE securities SET phase = 'closed' WHERE security_id = 'AAPL'"))
        with ThreadPoolExecutor(max_workers=WORKERS) as workers:
            parts = shuffled(executions, random.Random(seed))
            for part in [workers.submit(settle_as_a_worker, clearing_data, part) for part in parts]:
                part.result()
        assert settle_due(clearing_data, now_us=NOW_US) == ["AAPL"]
        assert state(clearing_data) == at_once
        check_all_books(clearing_data)
    assert at_once["loans"]


def phase(turn: int) -> PhaseRequest:
    """MSFT and AAPL take turns in an auction, which ends when the other one's begins."""
    return PhaseRequest(10_001 + turn, ("MSFT", "AAPL")[turn // 2 % 2], ("auction", "continuous")[turn % 2], None, 5)  # type: ignore[arg-type]
