"""Momentum buys rising and sells falling prices, up to its limit, and ignores noise."""

from __future__ import annotations

import pytest

from bots.contract import LimitOrder
from bots.strategies import Momentum
from tests.bots.harness import Harness
from tests.bots.strategies.prices import follow, waves


def bot() -> Momentum:
    return Momentum(fast_s=5.0, slow_s=50.0, band=0.5, most=30, quantity=10)


def test_buys_in_a_rise_and_sells_in_the_fall_after_it() -> None:
    momentum = bot()
    harness = Harness(momentum)
    follow(harness, waves(100))
    assert harness.orders == []

    follow(harness, [100 + n * 0.1 for n in range(60)])
    assert momentum.position() == 1_030
    assert {order.side for order in harness.orders} == {"buy"}
    assert all(isinstance(order, LimitOrder) and order.time_in_force == "ioc" for order in harness.orders)
    assert {order.quantity for order in harness.orders} == {10}

    follow(harness, [106 - n * 0.1 for n in range(100)])
    assert momentum.position() == 970


def test_has_no_opinion_of_an_empty_side_or_of_a_spread_that_means_nothing() -> None:
    harness = Harness(bot())
    follow(harness, waves(100))
    follow(harness, [100 + n for n in range(60)], spread=20.0)
    harness.price(None, "200")
    assert harness.orders == []


def test_sells_no_more_than_it_has_and_buys_no_more_than_it_can_pay() -> None:
    momentum = bot()
    harness = Harness(momentum, cash="350", holdings={})
    follow(harness, waves(100))
    follow(harness, [100 - n * 0.1 for n in range(60)])
    assert harness.orders == []
    follow(harness, [94 + n * 0.1 for n in range(60)])
    assert momentum.position() == 3


def test_the_fast_average_is_the_faster_one() -> None:
    with pytest.raises(ValueError, match="fast_s must be above 0 and below slow_s"):
        Momentum(fast_s=300.0, slow_s=30.0)
