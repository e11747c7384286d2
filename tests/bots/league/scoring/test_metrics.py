"""Figures against examples that were worked by hand."""

from __future__ import annotations

import pytest

from bots.league.scoring.metrics import DAY_S, drawdown, figures, gains_cents, ranks, sharpe
from tests.bots.league.matches import bot, failure, fill, match

# Begins with $1,000 and 10 shares at $100: $2,000. Buys 2 at $100, sells 4 at $110, while the price goes 100, 110, 105.
TRADER = bot(
    "trader",
    [(100_000, 10), (80_000, 12), (124_000, 8)],
    fills=[fill(1, "buy", 2, 100_00, is_maker=True), fill(2, "sell", 3, 110_00), fill(2, "sell", 1, 110_00, fee=7)],
    orders=5,
    rejected={"insufficient_funds": 1},
)
PRICES = [100_00, 110_00, 105_00]


def test_gain_is_measured_against_holding() -> None:
    played = match([TRADER], PRICES)
    # After the purchase: 2 shares more, $200 less, at 110. At the end: 2 shares less, $240 more, at 105.
    assert gains_cents(played, TRADER) == [0, 2 * 110_00 - 200_00, -2 * 105_00 + 240_00]
    said = figures(played, TRADER)
    assert said.gain_cents == 30_00
    assert said.gain == pytest.approx(30 / 2_000)
    assert said.equity_cents == 1_240_00 + 8 * 105_00
    assert said.total_return == pytest.approx(2_080 / 2_000 - 1)


def test_a_bot_that_does_not_trade_gains_nothing() -> None:
    idle = bot("idle", [(100_000, 10)] * 3)
    said = figures(match([idle], PRICES), idle)
    assert (said.gain_cents, said.drawdown, said.turnover, said.inventory) == (0, 0.0, 0.0, 0.0)
    assert said.total_return == pytest.approx(50 / 2_000)
    assert said.sharpe is said.maker_share is said.fill_rate is said.reject_rate is None


def test_figures_of_orders_and_trades() -> None:
    said = figures(match([TRADER], PRICES), TRADER)
    assert said.turnover == pytest.approx((200 + 440) / 2_000)
    assert said.maker_share == pytest.approx(2 / 6)
    assert said.trades == 3
    assert said.fill_rate == pytest.approx(2 / 5)
    assert said.reject_rate == pytest.approx(1 / 5)
    assert said.fees_cents == 7
    assert (said.inventory, said.most_inventory) == (pytest.approx(4 / 3), 2)


def test_sharpe_is_mean_over_deviation_of_the_steps_scaled_to_a_day() -> None:
    # Steps 1, 3: mean 2, deviation of a sample sqrt(2).
    assert sharpe([0, 1, 4], interval_s=DAY_S) == pytest.approx(2 / 2**0.5)
    assert sharpe([0, 1, 4], interval_s=DAY_S / 100) == pytest.approx(10 * 2 / 2**0.5)
    assert sharpe([0, 5, 10], interval_s=60.0) is None
    assert sharpe([7], interval_s=60.0) is None


def test_drawdown_is_the_largest_fall_from_the_highest_point_before() -> None:
    assert drawdown([100, 120, 90, 130, 117]) == pytest.approx(30 / 120)
    assert drawdown([1, 2, 3]) == 0.0
    assert drawdown([]) == 0.0


def test_ranks_are_by_gain_and_the_disqualified_are_last() -> None:
    rich = bot("rich", [(100_000, 10), (200_000, 10)], failure=failure("ValueError"))
    poor, same, good = (bot(name, [(100_000, 10), (cash, 10)]) for name, cash in [("a", 1), ("b", 1), ("c", 100_001)])
    played = match([rich, poor, same, good], [100_00, 100_00])
    assert ranks([figures(played, one) for one in played.bots]) == [4, 2, 2, 1]


def test_gains_of_all_bots_sum_to_zero_where_they_trade_with_each_other() -> None:
    buyer = bot("buyer", [(100_000, 10), (49_950, 15)])
    seller = bot("seller", [(100_000, 10), (150_050, 5)])
    played = match([buyer, seller], [100_00, 97_31])
    assert sum(figures(played, one).gain_cents for one in played.bots) == 0
