"""A trader with uniformly distributed prices."""

from __future__ import annotations

from dataclasses import dataclass

from bots.strategies.means import Noise, collared, place
from bots.strategy import option


@dataclass
class Uniform(Noise):
    """Sends a limit order on a random side for 1 to 10 shares every second, anywhere in the allowed prices."""

    name = "uniform"

    every_s: float = option(1.0, "time between two orders [s]")
    most: int = option(10, "largest order [shares]")
    collar: float = option(0.0, "largest distance of its prices from the last one; 0 for the whole range [fraction]")
    most_open: int = option(0, "open orders that it keeps, cancelling the oldest; 0 for all")

    watches = frozenset({"price"})

    def interval_s(self) -> float:
        """Return the time between two orders [s]."""
        return self.every_s

    def on_timer(self, now: float) -> None:
        """Send an order at a tick drawn uniformly from all allowed prices."""
        lowest, highest = (
            self.security.nearest(collared(self, float(edge), self.collar))
            for edge in (self.security.min_price, self.security.max_price)
        )
        tick = self.security.tick
        price = lowest + tick * self.rng.randint(0, int((highest - lowest) / tick))
        place(self, self.side(self.most), self.rng.randint(1, self.most), price, most_open=self.most_open)
