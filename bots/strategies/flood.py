"""A trader that orders and orders."""

from __future__ import annotations

from dataclasses import dataclass

from bots.strategy import SIDES, Strategy, option


@dataclass
class Flood(Strategy):
    """Limit orders on random sides for 10 shares at 100.00, at a steady rate.

    The rate is low unless it is set, so that a night does not fill the disk: 5 orders/s are 430,000 a day.
    """

    name = "flood"

    rate: float = option(5.0, "orders a second; 0 for as fast as it goes [1/s]")
    quantity: int = option(10, "size of an order [shares]")
    limit: float = option(100.0, "price of every order [dollars]")

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError("the rate is 0 or more")

    def interval_s(self) -> float:
        """The inverse of the rate."""
        return 1 / self.rate if self.rate else 0.0

    def on_timer(self, now: float) -> None:
        """One more."""
        self.order(self.rng.choice(SIDES), self.quantity, self.limit)
