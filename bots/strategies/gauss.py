"""A trader with normally distributed prices."""

from __future__ import annotations

from dataclasses import dataclass

from bots.strategy import SIDES, Strategy, option


@dataclass
class Gauss(Strategy):
    """Sends a limit order on a random side for 4 shares every 5 s, at a normally distributed price."""

    name = "gauss"

    every_s: float = option(5.0, "time between two orders [s]")
    mean: float = option(100.0, "mean of the price [dollars]")
    deviation: float = option(10.0, "standard deviation of the price [dollars]")
    quantity: int = option(4, "size of an order [shares]")

    def interval_s(self) -> float:
        """Return the time between two orders [s]."""
        return self.every_s

    def on_timer(self, now: float) -> None:
        """Send an order at a newly drawn price."""
        self.order(self.rng.choice(SIDES), self.quantity, self.rng.gauss(self.mean, self.deviation))
