"""The hidden value depends only on seed and time, moves with its volatility, and jumps with news."""

from __future__ import annotations

from statistics import pstdev

import pytest

from bots.fundamental import Fundamental


def test_the_value_is_a_function_of_seed_and_time() -> None:
    often, seldom = Fundamental(seed=3), Fundamental(seed=3)
    every = [often.value(t / 2) for t in range(2_000)]
    assert seldom.value(999.5) == every[1999]
    assert seldom.value(10.0) == every[20]
    assert Fundamental(seed=4).value(999.5) != every[1999]


def test_the_value_moves_with_its_volatility_and_stays_in_range() -> None:
    # In the long run an Ornstein-Uhlenbeck process deviates by volatility * sqrt(reversion / 2).
    value = Fundamental(seed=1, volatility=0.1, reversion_s=50.0)
    values = [value.value(t) for t in range(200_000)]
    assert pstdev(values) == pytest.approx(0.1 * (50 / 2) ** 0.5, rel=0.1)
    assert sum(values) / len(values) == pytest.approx(100, abs=0.1)


def test_news_moves_it_from_its_time_on() -> None:
    value, without = Fundamental(seed=2), Fundamental(seed=2)
    value.add_news(100.0, -7.5)
    value.add_news(200.0, 2.5)
    assert value.value(99.9) == without.value(99.9)
    assert value.value(100.0) == pytest.approx(without.value(100.0) - 7.5)
    assert value.value(250.0) == pytest.approx(without.value(250.0) - 5.0)


def test_a_share_is_never_worth_less_than_a_cent() -> None:
    value = Fundamental()
    value.add_news(0.0, -1_000.0)
    assert value.value(5.0) == 0.01


@pytest.mark.parametrize("wrong", [{"reversion_s": 0.0}, {"step_s": -1.0}, {"volatility": -0.1}, {"start": 0.0}])
def test_invalid_parameters_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Fundamental(**wrong)  # type: ignore[arg-type]
