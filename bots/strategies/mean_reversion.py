"""A trader who expects a price to come back."""

from __future__ import annotations

from dataclasses import dataclass

from bots.contract import Price
from bots.strategies.position import approach
from bots.strategies.quoted import mid_of
from bots.strategies.trend import Average
from bots.strategy import Strategy, option


@dataclass
class MeanReversion(Strategy):
    """Buys when the price is far below its average, sells when it is far above, and goes home when it is back.

    Far is counted in deviations of the price around its average. It buys at the ask and sells at the bid, so the
    prices that it compares are those at which it would trade, and not the middle.

    Source: the contrarian rule of Lehmann (1990), "Fads, martingales, and market efficiency", Quarterly Journal of
    Economics 105(1); the bands of deviations around a moving average are Bollinger's (2001).
    """

    name = "mean_reversion"

    half_life_s: float = option(300.0, "half-life of the average [s]")
    enter: float = option(2.0, "how far the price is from its average when it begins [deviations]")
    leave: float = option(0.5, "how near the price is to its average when it goes home [deviations]")
    most: int = option(50, "shares that it holds more, or less, than at first")
    quantity: int = option(10, "largest order [shares]")

    def __post_init__(self) -> None:
        if not 0 <= self.leave < self.enter:
            raise ValueError("it enters farther from the average than it leaves")
        self._average = Average(self.half_life_s)
        self._neutral = 0

    def on_start(self) -> None:
        """Remember what it holds without an opinion."""
        self._neutral = self.position()

    def on_price(self, price: Price) -> None:
        """Compare, and trade away from the crowd or home."""
        mid = mid_of(price)
        if mid is None or price.security_id != self.security.security_id:
            return
        self._average.add(self.now, mid)
        average = self._average
        if average.age_s < self.half_life_s or not average.deviation:
            return  # too young to know what is usual
        assert price.bid is not None, "there is a middle"
        assert price.ask is not None, "there is a middle"
        cheap = (average.mean - float(price.ask)) / average.deviation
        dear = (float(price.bid) - average.mean) / average.deviation
        if cheap > self.enter:
            approach(self, price, self._neutral + self.most, largest=self.quantity)
        elif dear > self.enter:
            approach(self, price, self._neutral - self.most, largest=self.quantity)
        elif max(cheap, dear) < self.leave:
            approach(self, price, self._neutral, largest=self.quantity)
