"""A trader that expects trends to continue."""

from __future__ import annotations

from dataclasses import dataclass

from bots.contract import Price
from bots.strategies.position import approach
from bots.strategies.quoted import mid_of
from bots.strategies.trend import Average
from bots.strategy import Strategy, option


@dataclass
class Momentum(Strategy):
    """Goes long while a fast average of the price is above a slow one, and short of its opening position while below.

    It measures the difference in standard deviations of the price, so that it treats quiet and volatile markets alike,
    and trades only beyond a threshold: within it, crossing the spread costs more than the trend is worth.

    Source: Brock, Lakonishok and LeBaron (1992), "Simple technical trading rules and the stochastic properties of
    stock returns", Journal of Finance 47(5), the moving-average rule with a band; on momentum itself Jegadeesh and
    Titman (1993).
    """

    name = "momentum"

    fast_s: float = option(30.0, "half-life of the fast average [s]")
    slow_s: float = option(300.0, "half-life of the slow average [s]")
    band: float = option(0.5, "difference of the averages beyond which it trades [deviations]")
    most: int = option(50, "largest distance from its opening position [shares]")
    quantity: int = option(10, "largest order [shares]")

    watches = frozenset({"phase"})

    def __post_init__(self) -> None:
        if not 0 < self.fast_s < self.slow_s:
            raise ValueError("fast_s must be above 0 and below slow_s")
        self._fast, self._slow = Average(self.fast_s), Average(self.slow_s)
        self._neutral = 0

    def on_start(self) -> None:
        """Take the opening position as neutral."""
        self._neutral = self.position()

    def on_price(self, price: Price) -> None:
        """Compare the averages, and trade in the direction of the trend."""
        mid = mid_of(price)
        if mid is None or price.security_id != self.security.security_id:
            return
        self._fast.add(self.now, mid)
        self._slow.add(self.now, mid)
        if self._slow.age_s < self.slow_s or not (deviation := self._slow.deviation):
            return  # not enough history yet
        strength = (self._fast.mean - self._slow.mean) / deviation
        if strength > self.band:
            approach(self, price, self._neutral + self.most, largest=self.quantity)
        elif strength < -self.band:
            approach(self, price, self._neutral - self.most, largest=self.quantity)
