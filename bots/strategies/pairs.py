"""A trader who bets that two prices keep their distance."""

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
    """Sells the dear one of two securities and buys the cheap one, when their ratio is far from what is usual.

    It follows the logarithm of the ratio of the two mids, and counts how far it is from its average in deviations.
    Beyond `enter` it shifts up to `most` shares from the dear one into the cheap one; within `leave` it shifts back.
    A bot can only sell what it has, so the first trade sells of what it holds, and who holds nothing of the second
    security gets some of it in the first shift: what it held of each is its neutral position.

    Source: Gatev, Goetzmann and Rouwenhorst (2006), "Pairs trading: performance of a relative-value arbitrage rule",
    Review of Financial Studies 19(3), which enters at two deviations and leaves where the prices cross.
    """

    name = "pairs"

    half_life_s: float = option(600.0, "half-life of the average of the ratio [s]")
    enter: float = option(2.0, "how far the ratio is from its average when it begins [deviations]")
    leave: float = option(0.5, "how near it is when it goes home [deviations]")
    most: int = option(40, "shares of each that it shifts")
    quantity: int = option(10, "largest order [shares]")

    def __post_init__(self) -> None:
        if not 0 <= self.leave < self.enter:
            raise ValueError("it enters farther from the average than it leaves")
        self._average = Average(self.half_life_s)
        self._neutral: dict[str, int] = {}
        self._shift = 0  # 1: out of the first into the second; -1: the other way round

    def on_start(self) -> None:
        """Remember what it holds without an opinion.

        raises  ValueError  there are no two securities to compare
        """
        if len(self.securities) < 2:
            raise ValueError("pairs trades in two securities: name two")
        self._first, self._second = list(self.securities)[:2]
        self._neutral = {name: self.position(name) for name in (self._first, self._second)}

    def on_price(self, price: Price) -> None:
        """Compare, and shift or go home."""
        first, second = self.price(self._first), self.price(self._second)
        mids = mid_of(first), mid_of(second)
        if mids[0] is None or mids[1] is None:
            return
        ratio = math.log(mids[0] / mids[1])
        self._average.add(self.now, ratio)
        if self._average.age_s < self.half_life_s or not self._average.deviation:
            return  # too young to know what is usual
        distance = (ratio - self._average.mean) / self._average.deviation
        if abs(distance) > self.enter:
            self._shift = 1 if distance > 0 else -1
        elif abs(distance) < self.leave:
            self._shift = 0
        self._trade(first, second)

    def _trade(self, first: Price, second: Price) -> None:
        """The sale before the purchase, which it may have to pay for."""
        legs = [(first, -self._shift), (second, self._shift)]
        for price, direction in sorted(legs, key=lambda leg: leg[1]):
            target = self._neutral[price.security_id] + direction * self.most
            approach(self, price, target, largest=self.quantity)
