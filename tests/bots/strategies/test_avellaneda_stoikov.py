"""The quotes of Avellaneda and Stoikov have the formula's spread and shift against the inventory."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from bots.contract import LimitOrder
from bots.strategies import AvellanedaStoikov
from tests.bots.harness import Harness, security


def quotes(harness: Harness) -> tuple[Decimal, Decimal]:
    """The last two orders, a bid and an ask."""
    bid, ask = harness.orders[-2:]
    assert isinstance(bid, LimitOrder)
    assert isinstance(ask, LimitOrder)
    assert (bid.side, ask.side, bid.post_only, ask.post_only) == ("buy", "sell", True, True)
    return bid.price, ask.price


def test_in_a_market_that_stands_still_the_spread_is_that_of_the_order_flow() -> None:
    bot = AvellanedaStoikov(risk=0.1, thinning=2.0)
    harness = Harness(bot)
    harness.price("99.00", "101.00")
    harness.ticks()
    half_spread = math.log(1 + 0.1 / 2.0) / 0.1  # 0.4879
    bid, ask = quotes(harness)
    assert float(bid) == pytest.approx(100 - half_spread, abs=0.01)
    assert float(ask) == pytest.approx(100 + half_spread, abs=0.01)
    assert float(bid) <= 100 - half_spread
    assert float(ask) >= 100 + half_spread


def test_it_quotes_around_its_start_in_a_market_that_is_empty() -> None:
    harness = Harness(AvellanedaStoikov(start=80.0)).ticks()
    bid, ask = quotes(harness)
    assert float(bid + ask) / 2 == pytest.approx(80, abs=0.01)


def moving(harness: Harness) -> None:
    for n in range(60):
        harness.price(f"{99 + 0.2 * (n % 2)}", f"{101 + 0.2 * (n % 2)}")
        harness.ticks()
        for order_id in list(harness.session.open_orders):
            harness.confirm(order_id)


def test_inventory_shifts_the_quotes() -> None:
    bot = AvellanedaStoikov(thinning=2.0, horizon_s=30.0)
    harness = Harness(bot)
    moving(harness)
    harness.now_s += 1
    before = len(harness.venue.replaced)
    harness.fill_all(1)  # the bid: five shares more, one unit of inventory
    moving(harness)
    leaning = [price for order_id, _, price in harness.venue.replaced[before:] if order_id == 2]
    assert leaning
    # The variance is 0.04 a second, so the reservation price is 0.1 * 0.04 * 30 = 0.12 below the mid.
    assert float(min(leaning[-2:])) == pytest.approx(100.0 + 0.49 + 0.06 - 0.12, abs=0.05)


def test_a_filled_quote_is_made_again_and_one_that_is_right_is_left_alone() -> None:
    bot = AvellanedaStoikov()
    harness = Harness(bot)
    harness.price("99.90", "100.10")
    harness.ticks()
    harness.confirm(1)
    harness.confirm(2)
    harness.ticks(5)
    assert len(harness.orders) == 2
    assert harness.venue.replaced == []
    harness.fill_all(2)
    harness.ticks()
    assert [order.side for order in harness.orders] == ["buy", "sell", "sell"]


def test_a_quote_that_would_trade_is_put_behind_the_other_side() -> None:
    bot = AvellanedaStoikov(thinning=1000.0)
    harness = Harness(bot)
    harness.price("99.99", "100.00", last="100")
    harness.ticks()
    bid, ask = quotes(harness)
    assert bid < Decimal("100.00")
    assert ask > Decimal("99.99")


def test_at_its_limits_it_quotes_one_side_only() -> None:
    bot = AvellanedaStoikov(most=2)
    harness = Harness(bot, cash="100000")
    harness.report("trade", 99, side="buy", quantity=10, price="100")
    harness.ticks()
    assert [order.side for order in harness.orders] == ["sell"]

    empty = Harness(AvellanedaStoikov(), holdings={}).ticks()
    assert [order.side for order in empty.orders] == ["buy"]


def test_leaves_no_quotes_behind() -> None:
    bot = AvellanedaStoikov()
    harness = Harness(bot).ticks()
    harness.session.stop(2.0)
    assert harness.venue.mass_cancels == [None]


def test_risk_without_aversion_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        AvellanedaStoikov(risk=0.0)


def test_in_an_auction_it_quotes_around_the_reference_price_with_orders_that_an_auction_takes() -> None:
    harness = Harness(AvellanedaStoikov(), listed=[security("MSFT", "80")])
    harness.phase("auction")
    harness.price("88.00", "72.00")  # as they cross in an auction
    harness.ticks()
    bid, ask = harness.orders
    assert isinstance(bid, LimitOrder)
    assert isinstance(ask, LimitOrder)
    assert (bid.post_only, ask.post_only) == (False, False)
    assert float(bid.price + ask.price) / 2 == pytest.approx(80, abs=0.01)
    harness.phase("halted")
    assert len(harness.ticks(3).orders) == 2


def test_the_levels_behind_are_larger_and_follow_more_slowly() -> None:
    harness = Harness(AvellanedaStoikov(levels=3, gap=0.10, quantity=2, tolerance=0.01), cash="1e6")
    harness.price("99.90", "100.10")
    harness.ticks()
    bids = [order for order in harness.orders if order.side == "buy"]
    assert [order.quantity for order in bids] == [2, 4, 6]
    prices = [order.price for order in bids if isinstance(order, LimitOrder)]
    assert [float(prices[0] - price) for price in prices] == pytest.approx([0, 0.1, 0.2])
    for order_id in range(1, 7):
        harness.confirm(order_id)
    harness.price("99.94", "100.14")
    harness.ticks()
    assert [order_id for order_id, *_ in harness.venue.replaced] == [1, 2], "only the best quotes follow 0.04"


def test_with_a_memory_inventory_moves_the_price_in_proportion_and_no_further() -> None:
    bot = AvellanedaStoikov(volatility=0.001, horizon_s=1200, memory_s=1e9, quantity=10, most=50)
    harness = Harness(bot, listed=[security("MSFT", "100")], cash="1e6")
    harness.ticks()
    harness.report("trade", 99, side="buy", quantity=20, price="100")
    for _ in range(30):
        mine = [order.price for order in harness.session.open_orders.values() if order.price is not None]
        harness.price(str(min(mine)), str(max(mine)))
        for order_id in list(harness.session.open_orders):
            harness.confirm(order_id)
        harness.ticks()
        for order_id, _, price in harness.venue.replaced:
            harness.report(
                "order", order_id, side=harness.orders[order_id - 1].side, price=str(price), reason="replaced"
            )
        harness.venue.replaced.clear()
    mine = [order.price for order in harness.session.open_orders.values() if order.price is not None]
    # Two units of inventory, each 0.1 * (0.1^2 / 60) * 1200.
    assert float(min(mine) + max(mine)) / 2 == pytest.approx(100 - 2 * 0.02, abs=0.015)
