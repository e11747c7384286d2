"""An average weighs by time: values count for their duration, not for their number."""

from __future__ import annotations

import pytest

from bots.strategies.trend import Average


def test_half_of_the_way_is_gone_in_a_half_life() -> None:
    average = Average(10.0)
    average.add(0.0, 100.0)
    average.add(1_000.0, 120.0)
    average.add(1_010.0, 120.0)
    assert average.mean == pytest.approx(110.0)
    assert average.deviation == pytest.approx(10.0)
    assert average.age_s == 1_010.0


def test_the_first_value_weighs_no_more_than_the_others() -> None:
    average = Average(10.0)
    average.add(0.0, 100.0)
    assert average.mean == 100.0
    average.add(0.001, 120.0)
    average.add(0.002, 120.0)
    assert average.mean == pytest.approx(110.0, abs=0.01)


def test_many_looks_at_the_same_count_no_more_than_one() -> None:
    often, seldom = Average(10.0), Average(10.0)
    for average in (often, seldom):
        average.add(0.0, 100.0)
        average.add(0.0, 110.0)
    for tenth in range(1, 100):
        often.add(tenth / 10, 110.0)
    for average in (often, seldom):
        average.add(10.0, 90.0)
    assert often.mean == pytest.approx(seldom.mean)
    assert often.deviation == pytest.approx(seldom.deviation)


def test_a_constant_series_has_no_deviation() -> None:
    average = Average(10.0)
    for second in range(100):
        average.add(second, 100.0)
    assert average.deviation == 0.0
