"""A trader that sends orders at a high rate."""

from __future__ import annotations

from dataclasses import dataclass

from bots.strategies.means import Noise, collared, last_of, place
from bots.strategy import option


@dataclass
class Flood(Noise):
    """Sends limit orders on random sides for 10 shares at 100.00, at a steady rate.

    The default rate is low so that a night does not fill the disk: 5 orders/s are 430,000 a day.
    """

    name = "flood"

    rate: float = option(5.0, "orders per second; 0 for as many as possible [1/s]")
    quantity: int = option(10, "size of an order [shares]")
    limit: float = option(100.0, "price of every order; 0 for the last price [dollars]")
    collar: float = option(0.0, "largest distance of its prices from the last one; 0 for any [fraction]")
    most_open: int = option(0, "open orders that it keeps, cancelling the oldest; 0 for all")

    watches = frozenset({"price"})

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError("rate must not be negative")

    def interval_s(self) -> float:
        """Return the inverse of the rate [s]."""
        return 1 / self.rate if self.rate else 0.0

    def on_timer(self, now: float) -> None:
        """Send one order."""
        limit = collared(self, self.limit or last_of(self) or 100.0, self.collar)
        place(self, self.side(self.quantity), self.quantity, limit, most_open=self.most_open)
