"""A trader who takes what the market offers."""

from __future__ import annotations

from dataclasses import dataclass

from bots.strategy import SIDES, Strategy, option


@dataclass
class Retail(Strategy):
    """Every 5 s a market order on a random side for 4 shares."""

    name = "retail"

    every_s: float = option(5.0, "time between two orders [s]")
    quantity: int = option(4, "size of an order [shares]")

    def interval_s(self) -> float:
        """As it was set."""
        return self.every_s

    def on_timer(self, now: float) -> None:
        """Trade at the market."""
        self.order(self.rng.choice(SIDES), self.quantity)
