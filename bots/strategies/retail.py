"""A trader that takes whatever price the market offers."""

from __future__ import annotations

from dataclasses import dataclass

from bots.contract import PhaseChange
from bots.strategies.means import Noise, place
from bots.strategy import option


@dataclass
class Retail(Noise):
    """Sends a market order on a random side for 4 shares every 5 s, and one when an auction begins."""

    name = "retail"

    every_s: float = option(5.0, "time between two orders [s]")
    quantity: int = option(4, "size of an order [shares]")

    watches = frozenset({"price"})

    def interval_s(self) -> float:
        """Return the time between two orders [s]."""
        return self.every_s

    def on_timer(self, now: float) -> None:
        """Send a market order."""
        if self.phase() != "auction":
            place(self, self.side(self.quantity), self.quantity)

    def on_phase(self, phase: PhaseChange) -> None:
        """Take part in an auction with one order: two would meet."""
        if phase.phase == "auction" and phase.security_id == self.security.security_id and not self.open_orders:
            place(self, self.side(self.quantity), self.quantity)
