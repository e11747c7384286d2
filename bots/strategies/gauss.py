"""A trader with normally distributed prices."""

from __future__ import annotations

from dataclasses import dataclass

from bots.strategies.means import Noise, collared, last_of, place
from bots.strategy import option


@dataclass
class Gauss(Noise):
    """Sends a limit order on a random side for 4 shares every 5 s, at a normally distributed price."""

    name = "gauss"

    every_s: float = option(5.0, "time between two orders [s]")
    mean: float = option(100.0, "mean of the price; 0 for the last price [dollars]")
    deviation: float = option(10.0, "standard deviation of the price [dollars]")
    quantity: int = option(4, "size of an order [shares]")
    collar: float = option(0.0, "largest distance of its prices from the last one; 0 for any [fraction]")
    most_open: int = option(0, "open orders that it keeps, cancelling the oldest; 0 for all")

    watches = frozenset({"price"})

    def interval_s(self) -> float:
        """Return the time between two orders [s]."""
        return self.every_s

    def on_timer(self, now: float) -> None:
        """Send an order at a newly drawn price."""
        side, price = self.side(self.quantity), self.rng.gauss(self.mean or last_of(self) or 100.0, self.deviation)
        place(self, side, self.quantity, collared(self, price, self.collar), most_open=self.most_open)
