"""The five traders with timers behave as described, and the same for the same seed."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from statistics import mean, stdev

import pytest

from bots.contract import LimitOrder, MarketOrder, Order
from bots.strategies import Flood, Gauss, RandomWalk, Retail, Uniform, ZeroIntelligence
from bots.strategy import Strategy
from tests.bots.harness import MSFT, Harness, orders_of, security

TIMED: list[type[Strategy]] = [RandomWalk, Gauss, Uniform, Flood, Retail]


def limits(orders: list[Order]) -> list[LimitOrder]:
    assert all(isinstance(order, LimitOrder) for order in orders)
    return [order for order in orders if isinstance(order, LimitOrder)]


@pytest.mark.parametrize("kind", TIMED)
def test_the_same_seed_decides_the_same(kind: type[Strategy]) -> None:
    assert orders_of(kind(), times=50, seed=7) == orders_of(kind(), times=50, seed=7)
    assert orders_of(kind(), times=50, seed=7) != orders_of(kind(), times=50, seed=8)


@pytest.mark.parametrize("kind", TIMED)
def test_each_interval_is_one_order_on_either_side(kind: type[Strategy]) -> None:
    orders = orders_of(kind(), times=200)
    assert len(orders) == 200
    assert 70 < sum(order.side == "buy" for order in orders) < 130


@pytest.mark.parametrize(
    ("kind", "seconds"), [(RandomWalk, 5.0), (Gauss, 5.0), (Uniform, 1.0), (Retail, 5.0), (Flood, 0.2)]
)
def test_intervals(kind: type[Strategy], seconds: float) -> None:
    assert kind().interval_s() == pytest.approx(seconds)


@pytest.mark.parametrize("kind", [RandomWalk, Gauss, Uniform, Flood])
def test_prices_are_on_the_tick_and_in_the_band(kind: type[Strategy]) -> None:
    for order in limits(orders_of(kind(), times=500)):
        assert order.price == order.price.quantize(MSFT.tick)
        assert MSFT.min_price <= order.price <= MSFT.max_price


def test_random_walk_steps_by_a_dollar_at_most_from_100() -> None:
    orders = limits(orders_of(RandomWalk(), times=500))
    prices = [Decimal(100), *(order.price for order in orders)]
    steps = [abs(after - before) for before, after in pairwise(prices)]
    assert max(steps) <= Decimal("1.01")  # a dollar, and the rounding of both ends
    assert max(steps) > Decimal("0.9")
    assert {order.quantity for order in orders} == set(range(1, 11))


def test_random_walk_turns_round_at_the_edge_of_the_band() -> None:
    prices = [order.price for order in limits(orders_of(RandomWalk(start=0.5, step=5.0), times=200))]
    assert min(prices) == MSFT.min_price
    assert prices[-1] > MSFT.min_price or len(set(prices[-5:])) > 1


def test_gauss_orders_4_shares_around_100() -> None:
    orders = limits(orders_of(Gauss(), times=2_000))
    assert {order.quantity for order in orders} == {4}
    prices = [float(order.price) for order in orders]
    assert mean(prices) == pytest.approx(100, abs=1)
    assert stdev(prices) == pytest.approx(10, abs=0.7)


def test_uniform_covers_the_whole_band() -> None:
    orders = limits(orders_of(Uniform(), times=2_000))
    assert {order.quantity for order in orders} == set(range(1, 11))
    deciles = {int(order.price / (MSFT.max_price / 10)) for order in orders}
    assert deciles >= set(range(10))


def test_flood_orders_10_shares_at_100() -> None:
    orders = limits(orders_of(Flood(), times=20))
    assert {(order.quantity, order.price) for order in orders} == {(10, Decimal(100))}


def test_flood_goes_as_fast_as_it_can_at_rate_0() -> None:
    assert Flood(rate=0).interval_s() == 0


def test_retail_orders_4_shares_at_the_market() -> None:
    orders = orders_of(Retail(), times=20)
    assert all(isinstance(order, MarketOrder) for order in orders)
    assert {order.quantity for order in orders} == {4}


@pytest.mark.parametrize("bot", [Gauss(collar=0.01), Uniform(collar=0.01), RandomWalk(step=5, collar=0.01)])
def test_a_collar_keeps_prices_near_the_last_one(bot: Strategy) -> None:
    harness = Harness(bot, listed=[security("MSFT", "80")], cash="1e9", holdings={"MSFT": 10**9}).ticks(100)
    assert {79.2 <= float(order.price) <= 80.8 for order in limits(harness.orders)} == {True}
    before = len(harness.orders)
    harness.price("89.90", "90.10", last="90")
    harness.ticks(100)
    prices = [float(order.price) for order in limits(harness.orders[before:])]
    assert 89.1 <= min(prices) <= max(prices) <= 90.9


@pytest.mark.parametrize("bot", [Flood(limit=0), Gauss(mean=0, deviation=0)])
def test_zero_stands_for_the_last_price(bot: Strategy) -> None:
    harness = Harness(bot)
    harness.price("89.90", "90.10", last="90")
    assert {order.price for order in limits(harness.ticks(5).orders)} == {Decimal(90)}


@pytest.mark.parametrize("kind", TIMED)
def test_orders_that_the_account_cannot_pay_for_are_not_sent(kind: type[Strategy]) -> None:
    harness = Harness(kind(), listed=[security("MSFT", "100")], cash="0", holdings={"MSFT": 20}).ticks(100)
    assert harness.orders
    assert {order.side for order in harness.orders} == {"sell"}
    assert sum(order.quantity for order in harness.orders) <= 20


@pytest.mark.parametrize("bot", [Flood(most_open=3), Gauss(most_open=3), Uniform(most_open=3), RandomWalk(most_open=3)])
def test_the_oldest_order_goes_before_a_new_one_is_too_many(bot: Strategy) -> None:
    harness = Harness(bot, cash="1e9", holdings={"MSFT": 10**9})
    for _ in range(100):
        harness.ticks()
        for order_id in harness.venue.cancelled:
            harness.deny(order_id, "cancelled")
        harness.venue.cancelled.clear()
        assert len(harness.session.open_orders) <= 3
    assert len(harness.orders) > 20


def test_an_order_that_would_meet_its_own_is_not_sent_and_that_one_is_cancelled() -> None:
    harness = Harness(Flood(most_open=3), cash="1e9", holdings={"MSFT": 10**9}, seed=1)
    while not harness.venue.cancelled:
        harness.ticks()
    first = harness.orders[0]
    assert {order.side for order in harness.orders} == {first.side}
    assert harness.venue.cancelled == [1]


def test_retail_takes_part_in_an_auction_once() -> None:
    harness = Harness(Retail(), listed=[security("MSFT", "100")])
    harness.phase("auction")
    harness.phase("auction")
    harness.ticks(3)
    assert len(harness.orders) == 1
    harness.fill_all(1, "100")
    harness.phase("continuous")
    assert len(harness.ticks(1).orders) == 2


@pytest.mark.parametrize("bot", [Flood(drift=30), Gauss(drift=30), Retail(drift=30), ZeroIntelligence(drift=30)])
def test_a_drift_turns_back_at_its_bound(bot: Strategy) -> None:
    harness = Harness(bot, listed=[security("MSFT", "100")], cash="1e9", holdings={"MSFT": 5_000})
    reached = set()
    for _ in range(2_000):
        before = len(harness.orders)
        harness.ticks()
        for order_id in range(before + 1, len(harness.orders) + 1):
            harness.fill_all(order_id, "100")
        reached.add(harness.session.position("MSFT") - 5_000)
    # Orders that were sent before the last one filled may lead a little further.
    assert -40 <= min(reached) < -15
    assert 15 < max(reached) <= 40
