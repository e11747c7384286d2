"""The description of a market, on series whose properties are known."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from bots.league.reporting.facts import facts
from bots.league.scoring.stylised_facts import autocorrelations, describe, tail_index
from tests.bots.league.matches import bot, match

DRAW = np.random.default_rng(5)


def prices(returns: list[float]) -> list[int]:
    level, made = 0.0, [1_000_000]
    for one in returns:
        level += one
        made.append(round(1_000_000 * exp(level)))
    return made


def verdicts(returns: list[float]) -> dict[str, str]:
    series = prices(returns)
    played = match([bot("a", [(100_000, 10)] * len(series))], series)
    return {fact.name: fact.verdict for fact in facts([describe(played, "MSFT")])}


def test_spread_depth_and_volume() -> None:
    said = describe(match([bot("a", [(100_000, 10)] * 3)], [100_00, 100_00, 102_00], spread_cents=4), "MSFT")
    assert (said.spread_cents, said.depth, said.two_sided, said.volume) == (4.0, 50.0, 1.0, 20)


def test_autocorrelation_of_what_alternates_and_of_what_repeats() -> None:
    alternating = autocorrelations([1.0, -1.0] * 50)
    assert alternating[0] == pytest.approx(-0.99)
    assert alternating[1] == pytest.approx(0.98)
    assert autocorrelations([3.0] * 100) == []


def test_tail_index_of_a_power_law_is_its_exponent() -> None:
    assert tail_index(1 + DRAW.pareto(3.0, size=40_000)) == pytest.approx(3.0, rel=0.1)


def test_facts_distinguish_a_normal_walk_from_a_market() -> None:
    walk = verdicts(DRAW.normal(0, 0.001, size=6_000).tolist())
    assert walk["Returns are not correlated"] == "like a market"
    assert walk["Heavy tails"] == "not like one"
    assert walk["Volatility clusters"] == "not like one"
    # GARCH(1,1), whose returns have no memory and whose size has: the common model of what Cont describes.
    variance, returns = 1e-6, []
    for _ in range(6_000):
        returns.append(float(DRAW.normal()) * variance**0.5)
        variance = 5e-8 + 0.2 * returns[-1] ** 2 + 0.75 * variance
    market = verdicts(returns)
    assert market["Returns are not correlated"] == "like a market"
    assert market["Heavy tails"] == "like a market"
    assert market["Volatility clusters"] == "like a market"


def test_a_constant_market_gives_no_verdict() -> None:
    assert set(verdicts([0.0] * 100).values()) == {"too little to say"}
