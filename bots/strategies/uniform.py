"""A trader with uniformly distributed prices."""

from __future__ import annotations

from dataclasses import dataclass

from bots.strategy import SIDES, Strategy, option


@dataclass
class Uniform(Strategy):
    """Sends a limit order on a random side for 1 to 10 shares every second, anywhere in the allowed prices."""

    name = "uniform"

    every_s: float = option(1.0, "time between two orders [s]")
    most: int = option(10, "largest order [shares]")

    def interval_s(self) -> float:
        """Return the time between two orders [s]."""
        return self.every_s

    def on_timer(self, now: float) -> None:
        """Send an order at a tick drawn uniformly from all allowed prices."""
        lowest, highest, tick = self.security.min_price, self.security.max_price, self.security.tick
        price = lowest + tick * self.rng.randint(0, int((highest - lowest) / tick))
        self.order(self.rng.choice(SIDES), self.rng.randint(1, self.most), price)
