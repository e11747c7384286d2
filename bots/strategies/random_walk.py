"""A trader whose price follows a random walk."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bots.strategies.means import Noise, collared, place
from bots.strategy import option


@dataclass
class RandomWalk(Noise):
    """Sends a limit order on a random side for 1 to 10 shares every 5 s, at a price that walks from 100."""

    name = "random_walk"

    every_s: float = option(5.0, "time between two orders [s]")
    start: float = option(100.0, "start of the walk [dollars]")
    step: float = option(1.0, "largest step, up or down [dollars]")
    most: int = option(10, "largest order [shares]")
    collar: float = option(0.0, "largest distance of its prices from the last one; 0 for any [fraction]")
    most_open: int = option(0, "open orders that it keeps, cancelling the oldest; 0 for all")

    watches = frozenset({"price"})

    def __post_init__(self) -> None:
        self._price = Decimal(self.start)

    def interval_s(self) -> float:
        """Return the time between two orders [s]."""
        return self.every_s

    def on_timer(self, now: float) -> None:
        """Take a step and send an order there. The walk is clamped to the allowed prices and to the collar."""
        step = Decimal(self.rng.uniform(-self.step, self.step))
        price = min(max(self._price + step, self.security.min_price), self.security.max_price)
        self._price = Decimal(collared(self, float(price), self.collar)) if self.collar else price
        place(self, self.side(self.most), self.rng.randint(1, self.most), self._price, most_open=self.most_open)
