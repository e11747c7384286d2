"""Attempts of a client with owed shares to gain at the expense of the default fund; on a real Postgres."""

from __future__ import annotations

from structlog.testing import capture_logs

from db.clearing_data.clients import accounts
from db.clearing_data.listing import trading_day
from tasks.messages import DelistRequest, PlaceOrder, SettleRequest
from tasks.order_entry.tick import tick
from tasks.order_execution.margin import check_all, log_begun
from tasks.order_execution.rules.clearing import once_each
from tasks.order_execution.securities import events_of, record, settle_due
from tasks.order_execution.settle import settle_once
from tests.support.trading import CASH_CENTS, LIMITS, NOW_US
from tests.tasks.order_execution.lending import TSLA, Has, Lending, be_poor, buy_in, fund, give_fund


def move_price(lending: Lending, price_cents: int) -> None:
    """Trade one share between two other clients."""
    lending.trade(lending.sell(1, price_cents, "CID"), lending.buy(1, price_cents))


def available(lending: Lending, client_id: str = "ANN") -> int:
    with lending.clearing_data.snapshot() as tx:
        account = accounts.account(tx, client_id)
    assert account is not None
    return account.available_cents


def withdraw(lending: Lending, cents: int) -> str:
    with lending.clearing_data.transaction() as tx:
        moved = accounts.withdraw_cash(tx, "ANN", f"out {cents}", amount_cents=cents, now_us=NOW_US)
    lending.check()
    return moved


def test_a_rise_makes_free_cash_unavailable(lending: Lending) -> None:
    """Otherwise a client takes its cash out while the price rises, and the default fund pays the rest."""
    be_poor(lending, 150_000)
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    assert available(lending) == 100_000
    move_price(lending, 18_000)
    assert available(lending) == 25_000  # 2,500.00 less 125 % of 1,800.00
    assert withdraw(lending, 25_001) == "insufficient_funds"
    with lending.clearing_data.transaction() as tx:
        moved = accounts.withdraw_shares(tx, "ANN", "short", security_id="TSLA", quantity=1, now_us=NOW_US)
    assert moved == "insufficient_holdings"
    msft = [lending.exchange.order("buy", "ANN", 1, 20_000) for _ in range(2)]
    assert lending.trade(*msft) == [None, "insufficient_funds"]
    assert available(lending) == 5_000
    assert lending.trade(lending.sell(1, 18_000)) == ["insufficient_margin"]
    check_all(lending.clearing_data, now_us=NOW_US)
    lending.trade(lending.exchange.cancel(msft[0]))
    # What is secured is for the purchase of the owed shares, at any price that it covers.
    assert lending.trade(lending.buy(5, 28_000, "ANN")) == ["insufficient_funds"]
    assert lending.trade(lending.buy(10, 25_000, "ANN")) == [None]


def test_a_price_that_two_accounts_make_frees_no_collateral(lending: Lending) -> None:
    be_poor(lending, 150_000)
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    move_price(lending, 100)
    assert available(lending) == 100_000
    assert withdraw(lending, 100_001) == "insufficient_funds"


def test_a_sale_at_any_price_holds_margin_at_the_market(lending: Lending) -> None:
    """A limit of 0.01 trades at the best bid; half of it would be no margin."""
    move_price(lending, 10_000)
    low = lending.sell(10, 1)
    lending.trade(low)
    assert lending.has()[2:] == (10, CASH_CENTS, 45_000, 0)  # half of 10 x 90.00, as of a market order
    assert lending.trade(lending.exchange.replace(low, quantity=20, price_cents=None)) == ["insufficient_margin"]
    fair = lending.sell(10, 9_500)
    assert lending.trade(fair, lending.exchange.replace(fair, quantity=None, price_cents=8_999)) == [
        None,
        "insufficient_margin",
    ]
    assert lending.trade(lending.exchange.replace(fair, quantity=None, price_cents=9_000)) == [None]
    assert lending.has()[4] == 90_000
    lending.trade(lending.buy(20, 9_000))
    assert lending.has()[1:4] == (20, 0, CASH_CENTS + 10 * 1 + 10 * 9_000)


def test_the_cash_of_the_default_fund_cannot_be_withdrawn(lending: Lending) -> None:
    be_poor(lending, 50_000)
    give_fund(lending, 100_000)
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    move_price(lending, 16_000)
    lending.trade(lending.sell(10, 16_000, "CID"))
    for second in range(1, 4):
        buy_in(lending, at_us=NOW_US + second * 1_000_000)
    has = lending.has()
    assert has.borrowed == 0
    assert has.balance_cents > 0  # of the fund, until it gets it back
    assert available(lending) == 0
    assert withdraw(lending, 1) == "insufficient_funds"
    check_all(lending.clearing_data, now_us=NOW_US + 4_000_000)
    assert (lending.has().balance_cents, fund(lending)) == (0, 90_000)


def test_cash_in_open_orders_pays_in_the_final_settlement(lending: Lending) -> None:
    be_poor(lending, 80_000)
    give_fund(lending, 100_000)
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    lending.trade(lending.exchange.order("buy", "ANN", 3, 10_000))
    assert lending.has() == Has(0, 10, 0, 180_000, 30_000, 150_000)
    batches, _ = lending.exchange.enter([SettleRequest(10_001, "TSLA", "end", 17_000, 5)])
    record(lending.clearing_data, events_of(batches, volatility_auction_us=1))
    settle_once(lending.clearing_data, once_each(batches), settled_us=NOW_US)
    assert settle_due(lending.clearing_data, now_us=NOW_US) == []
    buy_in(lending, at_us=NOW_US + 1_000_000)
    assert settle_due(lending.clearing_data, now_us=NOW_US) == ["TSLA"]
    check_all(lending.clearing_data, now_us=NOW_US + 2_000_000)
    assert lending.has() == Has(0, 0, 0, 10_000, 0, 0)
    assert available(lending) == 10_000
    assert fund(lending) == 100_000


def test_a_security_is_not_delisted_while_shares_are_owed(lending: Lending) -> None:
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    delisting = DelistRequest(10_001, "TSLA", 5)
    lending.exchange.enter([delisting])
    with lending.clearing_data.snapshot() as tx:
        denied = tx.exec_driver_sql("SELECT reason FROM denials WHERE command_id = 10001").scalar_one()
    assert denied == "shares_owed"


def test_a_buy_in_is_logged_once_and_reported_until_it_is_sent(lending: Lending) -> None:
    """The price rises in a trade of the client itself, so settlement begins the buy-in."""
    be_poor(lending, 65_000)
    lending.trade(lending.sell(10, 10_000), lending.buy(10, 10_000))
    batches, _ = lending.exchange.enter([lending.buy(1, 15_000), lending.sell(1, 15_000)])
    with capture_logs() as logs:
        settle_once(lending.clearing_data, once_each(batches), settled_us=NOW_US, on_buy_ins=log_begun)
        for second in (1, 2):
            check_all(lending.clearing_data, now_us=NOW_US + second)
    assert [line["client_id"] for line in logs if line["event"] == "client_bought_in"] == ["ANN"]
    lending.exchange.move_clock(NOW_US + 1_000_000)
    lost, again = (tick(lending.clearing_data, limits=LIMITS, now_us=NOW_US + 1_000_000) for _ in range(2))
    placed = [one for batch in lost.batches for one in batch.commands if isinstance(one, PlaceOrder)]
    assert [one.security_id for one in placed] == [TSLA["security_id"]]
    assert again.batches == lost.batches
    assert [one.order_id for one in again.reports] == [placed[0].order_id]
    with lending.clearing_data.transaction() as tx:
        trading_day.forget_unsent(tx, again.ranges)
