"""A trader that bets on the ratio of two prices."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bots.contract import Price
from bots.strategies.position import approach
from bots.strategies.quoted import mid_of
from bots.strategies.trend import Average
from bots.strategy import Strategy, option


@dataclass
class Pairs(Strategy):
    """Sells the expensive one of two securities and buys the cheap one when their ratio is far from its average.

    It follows the logarithm of the ratio of the two mids, and measures its distance from the average in standard
    deviations. Beyond `enter` it shifts up to `most` shares from the expensive security into the cheap one; within
    `leave` it shifts back. The opening holdings are its neutral position; a bot can only sell shares that it owns.

    Source: Gatev, Goetzmann and Rouwenhorst (2006), "Pairs trading: performance of a relative-value arbitrage rule",
    Review of Financial Studies 19(3), which enters at two deviations and leaves where the prices cross.
    """

    name = "pairs"
    trades = 2

    half_life_s: float = option(600.0, "half-life of the average of the ratio [s]")
    enter: float = option(2.0, "distance of the ratio from its average at which it shifts [deviations]")
    leave: float = option(0.5, "distance at which it shifts back [deviations]")
    most: int = option(40, "largest shift of each security [shares]")
    quantity: int = option(10, "largest order [shares]")

    watches = frozenset({"phase"})

    def __post_init__(self) -> None:
        if not 0 <= self.leave < self.enter:
            raise ValueError("enter must be above leave, and leave must not be negative")
        self._average = Average(self.half_life_s)
        self._neutral: dict[str, int] = {}
        self._shift = 0  # 1: out of the first into the second; -1: the other way round

    def on_start(self) -> None:
        """Take the opening position as neutral.

        raises  ValueError  there are fewer than two securities
        """
        if len(self.securities) < 2:
            raise ValueError("pairs trades two securities: name two")
        self._first, self._second = list(self.securities)[:2]
        self._neutral = {name: self.position(name) for name in (self._first, self._second)}

    def on_price(self, price: Price) -> None:
        """Compare the ratio with its average, and shift or shift back."""
        first, second = self.price(self._first), self.price(self._second)
        mids = mid_of(first), mid_of(second)
        if mids[0] is None or mids[1] is None:
            return
        ratio = math.log(mids[0] / mids[1])
        self._average.add(self.now, ratio)
        if self._average.age_s < self.half_life_s or not (deviation := self._average.deviation):
            return  # not enough history yet
        distance = (ratio - self._average.mean) / deviation
        if abs(distance) > self.enter:
            self._shift = 1 if distance > 0 else -1
        elif abs(distance) < self.leave:
            self._shift = 0
        self._trade(first, second)

    def _trade(self, first: Price, second: Price) -> None:
        """Sell before buying, because the sale may have to pay for the purchase."""
        legs = [(first, -self._shift), (second, self._shift)]
        for price, direction in sorted(legs, key=lambda leg: leg[1]):
            target = self._neutral[price.security_id] + direction * self.most
            approach(self, price, target, largest=self.quantity)
