"""A trader with private information."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bots.contract import Price
from bots.fundamental import Fundamental
from bots.strategies.position import approach
from bots.strategy import Strategy, option

_US_PER_S = 1_000_000


@dataclass
class Informed(Strategy):
    """Observes the hidden value of a share with noise, and takes every price that is wrong by more than a margin.

    It looks at random times, because news does not arrive by the clock, and trades in proportion to the error of the
    price, so that a large error reaches the market gradually. Its input is `fundamental`: a seeded process of its own,
    or one that the runner shares among all informed traders and that news moves.

    Source: Glosten and Milgrom (1985), "Bid, ask and transaction prices in a specialist market with heterogeneously
    informed traders", Journal of Financial Economics 14(1), for trading on a hidden value against the spread; the
    size in proportion to the error is Kyle's (1985), "Continuous auctions and insider trading", Econometrica 53(6).
    """

    name = "informed"

    every_s: float = option(5.0, "mean time between two observations [s]")
    margin: float = option(0.05, "error of a price beyond which it trades [dollars]")
    aggression: float = option(20.0, "shares ordered per dollar of error [shares/dollar]")
    noise: float = option(0.02, "standard deviation of its observation error [dollars]")
    quantity: int = option(20, "largest order [shares]")
    start: float = option(100.0, "initial hidden value, unless the runner provides one [dollars]")
    volatility: float = option(0.02, "its volatility, unless the runner provides one [dollars per root of a second]")
    seed_of_value: int = option(0, "seed of the hidden value, unless the runner provides one")

    watches = frozenset({"price", "phase"})

    def __post_init__(self) -> None:
        self.fundamental = Fundamental(seed=self.seed_of_value, start=self.start, volatility=self.volatility)
        self._due_s: float | None = None
        self._step_us = max(round(self.every_s / 4 * _US_PER_S), 1_000)

    def interval_s(self) -> float:
        """Return the time to the first tick at or after the drawn time [s]; ticks are a quarter of `every_s` apart.

        It leaves out the ticks in between, at which there is nothing to do.
        """
        if self._due_s is None:
            return self._step_us / _US_PER_S
        now_us, step_us = round(self.now * _US_PER_S), self._step_us
        steps = max(math.floor((self._due_s * _US_PER_S - now_us) / step_us), 1)
        if (now_us + steps * step_us) / _US_PER_S < self._due_s:
            steps += 1
        return steps * step_us / _US_PER_S

    def on_timer(self, now: float) -> None:
        """Observe the value when the drawn time has come."""
        if self._due_s is None:
            self._due_s = now + self.rng.expovariate(1 / self.every_s)
        if now >= self._due_s:
            self._due_s = now + self.rng.expovariate(1 / self.every_s)
            self._look(self.fundamental.value(now) + self.rng.gauss(0.0, self.noise), self.price())

    def _look(self, value: float, price: Price) -> None:
        if price.ask is not None and (error := value - float(price.ask)) > self.margin:
            approach(self, price, self.position() + self._size(error), largest=self.quantity)
        elif price.bid is not None and (error := float(price.bid) - value) > self.margin:
            approach(self, price, self.position() - self._size(error), largest=self.quantity)

    def _size(self, error: float) -> int:
        return max(round(self.aggression * error), 1)
