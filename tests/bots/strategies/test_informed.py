"""The informed trader trades in proportion to a price's error and leaves fair prices alone."""

from __future__ import annotations

import pytest

from bots.contract import LimitOrder
from bots.fundamental import Fundamental
from bots.strategies import Informed
from tests.bots.harness import Harness


def informed(value: float) -> Informed:
    bot = Informed(every_s=1.0, noise=0.0, margin=0.05, aggression=20.0, quantity=20)
    bot.fundamental = Fundamental(start=value, volatility=0.0)
    return bot


@pytest.mark.parametrize(
    ("value", "side", "quantity"),
    [(100.0, None, 0), (100.06, None, 0), (100.25, "buy", 4), (105.0, "buy", 20), (99.75, "sell", 4)],
)
def test_takes_a_price_in_proportion_to_its_error(value: float, side: str | None, quantity: int) -> None:
    harness = Harness(informed(value))
    harness.price("99.95", "100.05")
    harness.ticks(40)  # the first order stays under way, so there is one
    if side is None:
        assert harness.orders == []
        return
    [order] = harness.orders
    assert isinstance(order, LimitOrder)
    assert (order.side, order.quantity, order.time_in_force) == (side, quantity, "ioc")
    assert float(order.price) == (100.05 if side == "buy" else 99.95)


def test_news_makes_it_trade() -> None:
    bot = informed(100.0)
    bot.fundamental.add_news(20.0, -3.0)
    harness = Harness(bot)
    harness.price("99.95", "100.05")
    while harness.now_s + bot.interval_s() < 20.0:
        harness.ticks()
    assert harness.orders == []
    harness.ticks(100)
    assert [order.side for order in harness.orders] == ["sell"]


@pytest.mark.parametrize("every_s", [1.0, 2.5, 0.37, 60.0])
def test_it_looks_at_the_same_times_as_with_a_tick_every_quarter(every_s: float) -> None:
    class Restless(Informed):
        def interval_s(self) -> float:
            return round(every_s / 4, 6)

    looks: dict[type, list[float]] = {}
    ticks: dict[type, int] = {}
    for kind in (Informed, Restless):
        harness = Harness(bot := kind(every_s=every_s))
        looks[kind] = seen = []
        bot.fundamental.value = lambda now_s, seen=seen: seen.append(now_s) or 100.0  # type: ignore[method-assign]
        for ticks[kind] in range(2_000):
            if harness.now_s > 100 * every_s:
                break
            # As the simulated market, which counts microseconds.
            harness.now_s = round(harness.now_s * 1e6) / 1e6
            harness.ticks()
    assert looks[Informed][:80] == pytest.approx(looks[Restless][:80], abs=1e-9)
    assert ticks[Informed] <= len(looks[Informed]) + 1 < ticks[Restless] / 3


def test_observations_are_noisy_and_times_are_random() -> None:
    def orders(seed: int) -> int:
        bot = Informed(every_s=5.0, noise=0.05, volatility=0.0)
        harness = Harness(bot, seed=seed)
        harness.price("99.95", "100.00")
        while harness.now_s < 2_500:
            filled = len(harness.orders)
            harness.ticks()
            for order_id in range(filled + 1, len(harness.orders) + 1):
                harness.deny(order_id, "unfilled")
        return len(harness.orders)

    # Of some 500 looks, those whose error is beyond the margin: one standard deviation of what it sees.
    assert 40 < orders(1) < 140
    assert orders(1) == orders(1)
    assert orders(1) != orders(2)


def test_without_a_given_value_it_makes_its_own() -> None:
    assert Informed(seed_of_value=1).fundamental.value(50.0) == Informed(seed_of_value=1).fundamental.value(50.0)
    assert Informed(seed_of_value=1).fundamental.value(50.0) != Informed(seed_of_value=2).fundamental.value(50.0)
