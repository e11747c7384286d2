"""A trader to whom every price is as good as any other."""

from __future__ import annotations

from dataclasses import dataclass

from bots.strategy import SIDES, Strategy, option


@dataclass
class Uniform(Strategy):
    """Every second a limit order on a random side for 1 to 10 shares, anywhere in the security's price band."""

    name = "uniform"

    every_s: float = option(1.0, "time between two orders [s]")
    most: int = option(10, "largest order [shares]")

    def interval_s(self) -> float:
        """As it was set."""
        return self.every_s

    def on_timer(self, now: float) -> None:
        """Trade at one of all ticks, each as likely as the next."""
        lowest, highest, tick = self.security.min_price, self.security.max_price, self.security.tick
        price = lowest + tick * self.rng.randint(0, int((highest - lowest) / tick))
        self.order(self.rng.choice(SIDES), self.rng.randint(1, self.most), price)
