"""Pairs sells the dear security, buys the cheap one, and closes both when their spread is normal."""

from __future__ import annotations

import pytest

from bots.strategies import Pairs
from tests.bots.harness import Harness
from tests.bots.strategies.prices import follow, waves


def seat_of(bot: Pairs) -> Harness:
    harness = Harness(bot, securities=["MSFT", "AAPL"])
    follow(harness, [50.0], security_id="AAPL")
    follow(harness, waves(120))
    assert harness.orders == []
    return harness


def bot() -> Pairs:
    return Pairs(half_life_s=50.0, most=30, quantity=10)


def test_shifts_out_of_the_dear_one_into_the_cheap_one_and_back() -> None:
    pairs = bot()
    harness = seat_of(pairs)
    follow(harness, [100.6] * 4)
    assert (pairs.position("MSFT"), pairs.position("AAPL")) == (970, 30)
    sides = [(order.security_id, order.side) for order in harness.orders[:2]]
    assert sides == [("MSFT", "sell"), ("AAPL", "buy")]  # the sale first

    follow(harness, [100.05] * 8)
    assert (pairs.position("MSFT"), pairs.position("AAPL")) == (1_000, 0)


def test_sells_only_shares_that_it_owns() -> None:
    pairs = bot()
    harness = seat_of(pairs)
    follow(harness, [99.4] * 4)  # AAPL is the dear one, and there is none of it
    assert pairs.position("AAPL") == 0
    assert pairs.position("MSFT") == 1_030


def test_one_security_is_no_pair() -> None:
    with pytest.raises(ValueError, match="two securities"):
        Harness(Pairs())
