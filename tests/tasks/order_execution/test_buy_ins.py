"""Clients whose margin is too small are bought in, on a real Postgres: when, at what price, and with whose cash."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from db.clearing_data.clients import accounts
from db.clearing_data.clients import limits as account_limits
from db.clearing_data.log import orders
from tasks.messages import CancelRequest, PhaseRequest
from tasks.order_execution.margin import check_all
from tests.support.trading import CASH_CENTS, NOW_US
from tests.tasks.order_execution.lending import TSLA, Has, Lending, be_poor, buy_in, fund, give_fund


@pytest.mark.parametrize(
    ("rise", "borrowed", "cash_cents", "fund_cents"),
    [
        (10, 10, 150_000, 0),  # collateral of 1,500.00 is more than 125 % of 1,100.00
        (25, 0, 25_000, 0),  # less than 125 % of 1,250.00: bought in at 125.00
        (40, 0, 10_000, 0),
        (60, 0, 0, 10_000),  # a gap beyond the collateral: the default fund pays 100.00
    ],
)
def test_the_price_rises(lending: Lending, rise: int, borrowed: int, cash_cents: int, fund_cents: int) -> None:
    be_poor(lending, 50_000)
    give_fund(lending, 100_000)
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    price_cents = 10_000 + 100 * rise
    lending.trade(lending.sell(1, price_cents, "CID"), lending.buy(1, price_cents))
    lending.trade(lending.sell(100, price_cents, "CID"))
    with capture_logs() as logs:
        for second in range(1, 12):
            buy_in(lending, at_us=NOW_US + second * 1_000_000)
    assert lending.has() == Has(0, borrowed, 0, cash_cents, 0, 15_000 * borrowed)
    assert fund(lending) == 100_000 - fund_cents
    over = [] if borrowed else [{"client_id": "ANN", "default_fund_cents": fund_cents}]
    assert [{k: line[k] for k in over[0]} for line in logs if line["event"] == "buy_in_over"] == over
    assert any(line["event"] == "default_fund_pays" for line in logs) is (fund_cents > 0)


def test_a_client_covers_with_its_collateral(lending: Lending) -> None:
    """ANN's cash is all collateral: she can buy what she owes, and nothing else."""
    be_poor(lending, 50_000)
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    assert lending.has() == Has(0, 10, 0, 150_000, 0, 150_000)
    buy = lending.exchange.order
    assert lending.trade(buy("buy", "ANN", 1, 1, security_id="MSFT")) == ["insufficient_funds"]
    assert lending.trade(lending.buy(11, 9_000, "ANN"), lending.buy(6, 16_000, "ANN")) == ["insufficient_funds"] * 2
    assert lending.trade(lending.buy(6, 12_000, "ANN"), lending.buy(5, 9_000, "ANN")) == [None, "insufficient_funds"]
    check_all(lending.clearing_data, now_us=NOW_US)  # cash that is held to cover still secures the shares
    lending.trade(lending.sell(6, 9_000, "CID"))
    assert lending.has() == Has(0, 4, 0, 150_000 - 72_000, 0, 60_000)
    lending.trade(lending.buy(4, 9_000, "ANN"), lending.sell(4, 9_000, "CID"))
    assert lending.has() == Has(0, 0, 0, 42_000, 0, 0)


def test_a_buy_in_cancels_waits_for_sellers_and_for_the_next_auction(lending: Lending) -> None:
    be_poor(lending, 50_000)
    give_fund(lending, 100_000)
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    resting = lending.exchange.order("buy", "ANN", 10, 9_000, **TSLA)
    with capture_logs() as logs:
        lending.trade(resting, lending.sell(1, 14_000, "CID"), lending.buy(1, 14_000))
        for second in (1, 2, 3):  # the book is empty
            buy_in(lending, at_us=NOW_US + second * 1_000_000)
            assert lending.has().borrowed == 10
    assert [one["client_id"] for one in logs if one["event"] == "client_bought_in"] == ["ANN"]
    assert lending.trade(lending.sell(1, 14_000), lending.exchange.cancel(resting)) == ["buy_in", "unknown_order"]
    lending.trade(lending.exchange.halt("TSLA", halted=True))
    placed = count_orders(lending)
    buy_in(lending, at_us=NOW_US + 20_000_000)
    assert count_orders(lending) == placed
    lending.trade(PhaseRequest(10_001, "TSLA", "auction", 10**9, 5))
    lending.trade(lending.sell(20, 14_500, "CID"))
    buy_in(lending, at_us=NOW_US + 30_000_000)
    assert (count_orders(lending), lending.has().borrowed) == (placed + 2, 10)
    # The client cannot cancel the purchase, which would put the buy-in off for ever.
    with lending.clearing_data.snapshot() as tx:
        found = tx.exec_driver_sql("SELECT order_id FROM orders JOIN open_orders USING (order_id) WHERE buy_in")
        cancel = CancelRequest(10_010, "ANN", "TSLA", found.scalar_one(), NOW_US)
    sweep = [lending.exchange.mass_cancel("ANN", shard=shard) for shard in (0, 1)]
    assert lending.trade(cancel, *sweep) == ["buy_in", None, None]
    lending.trade(PhaseRequest(10_002, "TSLA", "continuous", None, 5))
    buy_in(lending, at_us=NOW_US + 40_000_000)
    assert lending.has() == Has(0, 0, 0, 5_000, 0, 0)
    with lending.clearing_data.snapshot() as tx:
        cancelled = orders.order(tx, resting.order_id)
    assert cancelled is not None
    assert (cancelled.status, cancelled.reason) == ("cancelled", "buy_in")


def count_orders(lending: Lending) -> int:
    with lending.clearing_data.snapshot() as tx:
        return int(tx.exec_driver_sql("SELECT count(*) FROM orders").scalar_one())


def test_two_clients_are_bought_in_by_each_others_orders(lending: Lending) -> None:
    """ANN and DOT owe shares, and each has an order to sell that the other's purchase would meet."""
    with lending.clearing_data.transaction() as tx:
        account_limits.change(tx, "DOT", {"short_limit": 1_000})
        accounts.withdraw_cash(tx, "DOT", "dot", amount_cents=CASH_CENTS - 51_000, now_us=NOW_US)
    be_poor(lending, 51_000)
    give_fund(lending, 100_000)
    lending.trade(lending.sell(10, 10_000), lending.sell(10, 10_000, "DOT"), lending.buy(20, 10_000))
    lending.trade(lending.sell(1, 14_000, "CID"), lending.buy(1, 14_000))
    lending.trade(lending.sell(30, 14_000, "CID"))
    for second in range(1, 5):
        buy_in(lending, at_us=NOW_US + second * 1_000_000)
    assert lending.has("ANN") == lending.has("DOT") == Has(0, 0, 0, 11_000, 0, 0)


def test_a_flash_rise_with_two_hundred_short_clients(lending: Lending) -> None:
    """All of them are bought in within five seconds after there are sellers."""
    clients = [f"SHORT{number}" for number in range(200)]
    with lending.clearing_data.transaction() as tx:
        for client_id in clients:
            accounts.open_account(tx, client_id, now_us=NOW_US)
            accounts.deposit_cash(tx, client_id, client_id, amount_cents=51_000, now_us=NOW_US)
            account_limits.change(tx, client_id, {"short_limit": 10})
    give_fund(lending, 20_000_000)
    lending.trade(*(lending.sell(10, 10_000, client_id) for client_id in clients), lending.buy(2_000, 10_000))
    lending.trade(*(lending.buy(5, 5_000, client_id) for client_id in clients))  # they have open orders, too
    lending.trade(lending.sell(1, 16_000, "CID"), lending.buy(1, 16_000))
    buy_in(lending, at_us=NOW_US + 1_000_000)
    lending.trade(lending.sell(3_000, 16_000, "BOB"))
    assert owing(lending) == 200
    half_seconds = 0
    while owing(lending) and half_seconds < 10:
        half_seconds += 1
        buy_in(lending, at_us=NOW_US + 2_000_000 + half_seconds * 500_000)
    assert owing(lending) == 0
    check_all(lending.clearing_data, now_us=NOW_US + 10_000_000)  # what is left of the fund's cash goes back
    paid = 10 * 16_000 - 151_000
    assert fund(lending) == 20_000_000 - 200 * paid


def owing(lending: Lending) -> int:
    with lending.clearing_data.snapshot() as tx:
        return int(tx.exec_driver_sql("SELECT count(*) FROM holdings WHERE borrowed > 0").scalar_one())
