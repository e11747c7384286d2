"""Mean reversion buys after falls and sells after rises, and closes its position when the price returns."""

from __future__ import annotations

import pytest

from bots.strategies import MeanReversion
from tests.bots.harness import Harness
from tests.bots.strategies.prices import follow, waves


def bot() -> MeanReversion:
    return MeanReversion(half_life_s=50.0, enter=2.0, leave=0.5, most=30, quantity=10)


@pytest.mark.parametrize(("jump", "side", "position"), [(-0.5, "buy", 1_030), (0.5, "sell", 970)])
def test_trades_against_a_jump_and_goes_home_after_it(jump: float, side: str, position: int) -> None:
    reversion = bot()
    harness = Harness(reversion)
    follow(harness, waves(100))
    assert harness.orders == []

    follow(harness, [100 + jump] * 3)
    assert {order.side for order in harness.orders} == {side}
    assert reversion.position() == position

    follow(harness, [100.0] * 5)
    assert reversion.position() == 1_000
    assert len(harness.orders) == 6


def test_a_spread_that_eats_the_profit_is_no_chance() -> None:
    harness = Harness(bot())
    follow(harness, waves(100))
    follow(harness, [99.5] * 3, spread=1.5)  # the ask is where the average is
    assert harness.orders == []


def test_enters_farther_than_it_leaves() -> None:
    with pytest.raises(ValueError, match="enter must be above leave"):
        MeanReversion(enter=1.0, leave=2.0)
