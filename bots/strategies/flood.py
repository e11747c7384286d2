"""A trader that sends orders at a high rate."""

from __future__ import annotations

from dataclasses import dataclass

from bots.strategy import SIDES, Strategy, option


@dataclass
class Flood(Strategy):
    """Sends limit orders on random sides for 10 shares at 100.00, at a steady rate.

    The default rate is low so that a night does not fill the disk: 5 orders/s are 430,000 a day.
    """

    name = "flood"

    rate: float = option(5.0, "orders per second; 0 for as many as possible [1/s]")
    quantity: int = option(10, "size of an order [shares]")
    limit: float = option(100.0, "price of every order [dollars]")

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError("rate must not be negative")

    def interval_s(self) -> float:
        """Return the inverse of the rate [s]."""
        return 1 / self.rate if self.rate else 0.0

    def on_timer(self, now: float) -> None:
        """Send one order."""
        self.order(self.rng.choice(SIDES), self.quantity, self.limit)
