"""Zero intelligence orders at random, never beyond the value it drew, and never more than it has."""

from __future__ import annotations

from statistics import mean

from bots.contract import LimitOrder
from bots.strategies import ZeroIntelligence
from tests.bots.harness import Harness, orders_of


def limits(harness: Harness) -> list[LimitOrder]:
    assert all(isinstance(order, LimitOrder) for order in harness.orders)
    return [order for order in harness.orders if isinstance(order, LimitOrder)]


def tick(harness: Harness, times: int) -> None:
    """Let time pass in a market that confirms cancels."""
    for _ in range(times):
        before = len(harness.venue.cancelled)
        harness.ticks()
        for cancelled in harness.venue.cancelled[before:]:
            harness.deny(cancelled, "cancelled")


def test_orders_at_random_times_on_both_sides_around_the_last_price() -> None:
    bot = ZeroIntelligence(every_s=2.0, spread=0.02, depth=0.01)
    harness = Harness(bot, cash="100000")
    harness.price("49.90", "50.10", last="50")
    tick(harness, 8_000)  # 4,000 s at half a second
    orders = limits(harness)
    assert 1_800 < len(orders) < 2_200
    buys, sells = ([float(one.price) for one in orders if one.side == side] for side in ("buy", "sell"))
    assert 0.45 < len(buys) / len(orders) < 0.55
    assert min(buys) + 0.01 >= 50 * 0.98 * 0.99
    assert max(buys) <= 50 * 1.02 + 0.01
    assert min(sells) + 0.01 >= 50 * 0.98
    assert max(sells) <= 50 * 1.02 * 1.01 + 0.01
    assert mean(buys) < 50 < mean(sells)


def test_keeps_one_order_on_each_side() -> None:
    bot = ZeroIntelligence()
    harness = Harness(bot)
    for _ in range(400):
        tick(harness, 1)
        for side in ("buy", "sell"):
            assert sum(order.side == side for order in bot.open_orders.values()) <= 1
    assert len(harness.orders) > 50


def test_orders_only_what_it_can_pay_for_or_owns() -> None:
    poor = Harness(ZeroIntelligence(), cash="50", holdings={}).ticks(400)
    assert poor.orders == []
    only_cash = Harness(ZeroIntelligence(), cash="10000", holdings={}).ticks(400)
    assert {order.side for order in only_cash.orders} == {"buy"}


def test_the_same_seed_decides_the_same() -> None:
    assert orders_of(ZeroIntelligence(), times=200, seed=7) == orders_of(ZeroIntelligence(), times=200, seed=7)
    assert orders_of(ZeroIntelligence(), times=200, seed=7) != orders_of(ZeroIntelligence(), times=200, seed=8)
