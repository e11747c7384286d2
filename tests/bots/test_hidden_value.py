"""The hidden values follow from the seed and the time alone, move as described, and stay near the reference price."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import pstdev

import pytest

from bots.hidden_value import ANCHOR_S, LARGEST_CHANGE, Values

DAY_S = 86_400


def values(seed: int = 1, *, volatility: float = 0.001, news_every_s: float = 0.0) -> Values:
    return Values(
        seed=seed, references=(("MSFT", 100.0), ("SHEL", 50.0)), volatility=volatility, news_every_s=news_every_s
    )


def test_two_readers_agree_whatever_they_read_before_and_whenever_they_began() -> None:
    early, late = values().of("MSFT"), values().of("MSFT", since_s=5_000.0)
    read = [early.value(at_s) for at_s in range(5_000, 6_000, 7)]
    assert [late.value(at_s) for at_s in range(0, 1_000, 7)] == read
    assert values(2).of("MSFT").value(5_000) != read[0]
    assert values().of("SHEL").value(5_000) / 50 != read[0] / 100


def test_it_starts_at_the_reference_price() -> None:
    assert values().of("SHEL").value(0.0) == pytest.approx(50.0, rel=0.001)


@pytest.mark.parametrize("around_s", [0, 10 * ANCHOR_S], ids=["within a walk", "across an anchor"])
def test_a_minute_moves_it_as_described(around_s: float) -> None:
    value = values(volatility=0.002).of("MSFT")
    logs = [math.log(value.value(around_s + 60.0 * minute)) for minute in range(960)]
    moves = [after - before for before, after in pairwise(logs)]
    assert pstdev(moves) == pytest.approx(0.002, rel=0.15)


def test_it_stays_near_the_reference_price_for_weeks() -> None:
    value = values(news_every_s=240.0).of("MSFT")
    read = [value.value(600.0 * step) for step in range(30 * DAY_S // 600)]
    assert 90 < min(read) < 98
    assert 102 < max(read) < 110


def test_news_moves_the_value_of_its_security_at_once_and_wears_off() -> None:
    with_news, without = values(news_every_s=600.0), values()
    item = with_news.news(0)
    assert 0 < abs(item.change) <= LARGEST_CHANGE
    assert item.security_id in item.headline
    assert 0 < item.at_s < 600
    value, other = (some.of(item.security_id) for some in (with_news, without))
    assert value.value(item.at_s - 0.1) == other.value(item.at_s - 0.1)
    assert math.log(value.value(item.at_s) / other.value(item.at_s)) == pytest.approx(item.change)
    lone = values(news_every_s=100 * DAY_S)
    alone = lone.of(lone.news(0).security_id)
    later_s = lone.news(0).at_s + 7_200
    plain = without.of(lone.news(0).security_id)
    assert math.log(alone.value(later_s) / plain.value(later_s)) == pytest.approx(lone.news(0).change * math.exp(-2))
