"""A trader that expects prices to revert to their average."""

from __future__ import annotations

from dataclasses import dataclass

from bots.contract import Price
from bots.strategies.position import approach
from bots.strategies.quoted import mid_of
from bots.strategies.trend import Average
from bots.strategy import Strategy, option


@dataclass
class MeanReversion(Strategy):
    """Buys when the price is far below its average, sells when it is far above, and closes the position on return.

    Distances are in standard deviations of the price around its average. It buys at the ask and sells at the bid, so it
    compares the prices at which it would trade rather than the mid.

    Source: the contrarian rule of Lehmann (1990), "Fads, martingales, and market efficiency", Quarterly Journal of
    Economics 105(1); the bands of deviations around a moving average are Bollinger's (2001).
    """

    name = "mean_reversion"

    half_life_s: float = option(300.0, "half-life of the average [s]")
    enter: float = option(2.0, "distance from the average at which it opens a position [deviations]")
    leave: float = option(0.5, "distance from the average at which it closes the position [deviations]")
    most: int = option(50, "largest distance from its opening position [shares]")
    quantity: int = option(10, "largest order [shares]")

    watches = frozenset({"phase"})

    def __post_init__(self) -> None:
        if not 0 <= self.leave < self.enter:
            raise ValueError("enter must be above leave, and leave must not be negative")
        self._average = Average(self.half_life_s)
        self._neutral = 0

    def on_start(self) -> None:
        """Take the opening position as neutral."""
        self._neutral = self.position()

    def on_price(self, price: Price) -> None:
        """Compare the price with its average, and open or close the position."""
        mid = mid_of(price)
        if mid is None or price.security_id != self.security.security_id:
            return
        self._average.add(self.now, mid)
        average = self._average
        if average.age_s < self.half_life_s or not (deviation := average.deviation):
            return  # not enough history yet
        mean = average.mean
        assert price.bid is not None, "there is a mid"
        assert price.ask is not None, "there is a mid"
        cheap = (mean - float(price.ask)) / deviation
        dear = (float(price.bid) - mean) / deviation
        if cheap > self.enter:
            approach(self, price, self._neutral + self.most, largest=self.quantity)
        elif dear > self.enter:
            approach(self, price, self._neutral - self.most, largest=self.quantity)
        elif max(cheap, dear) < self.leave:
            approach(self, price, self._neutral, largest=self.quantity)
