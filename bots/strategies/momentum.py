"""A trader who expects a price to go on where it goes."""

from __future__ import annotations

from dataclasses import dataclass

from bots.contract import Price
from bots.strategies.position import approach
from bots.strategies.quoted import mid_of
from bots.strategies.trend import Average
from bots.strategy import Strategy, option


@dataclass
class Momentum(Strategy):
    """Holds more than at first while a fast average of the price is above a slow one, and less while it is below.

    It compares the two in units of the price's own deviation, so that a quiet market and a wild one are judged alike,
    and trades only beyond a threshold: inside it the costs of crossing the spread eat what the trend is worth.

    Source: Brock, Lakonishok and LeBaron (1992), "Simple technical trading rules and the stochastic properties of
    stock returns", Journal of Finance 47(5), the moving-average rule with a band; momentum as such: Jegadeesh and
    Titman (1993).
    """

    name = "momentum"

    fast_s: float = option(30.0, "half-life of the fast average [s]")
    slow_s: float = option(300.0, "half-life of the slow average [s]")
    band: float = option(0.5, "the averages' difference beyond which it trades [deviations]")
    most: int = option(50, "shares that it holds more, or less, than at first")
    quantity: int = option(10, "largest order [shares]")

    def __post_init__(self) -> None:
        if not 0 < self.fast_s < self.slow_s:
            raise ValueError("the fast average has the shorter half-life")
        self._fast, self._slow = Average(self.fast_s), Average(self.slow_s)
        self._neutral = 0

    def on_start(self) -> None:
        """Remember what it holds without an opinion."""
        self._neutral = self.position()

    def on_price(self, price: Price) -> None:
        """Compare, and trade towards the opinion."""
        mid = mid_of(price)
        if mid is None or price.security_id != self.security.security_id:
            return
        self._fast.add(self.now, mid)
        self._slow.add(self.now, mid)
        if self._slow.age_s < self.slow_s or not self._slow.deviation:
            return  # too young to know what is usual
        strength = (self._fast.mean - self._slow.mean) / self._slow.deviation
        if strength > self.band:
            approach(self, price, self._neutral + self.most, largest=self.quantity)
        elif strength < -self.band:
            approach(self, price, self._neutral - self.most, largest=self.quantity)
