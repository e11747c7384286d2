"""A random trader with a budget constraint: the benchmark for all strategies that think."""

from __future__ import annotations

from dataclasses import dataclass

from bots.strategies.means import Noise
from bots.strategy import option


@dataclass
class ZeroIntelligence(Noise):
    """Sends random orders at random times, none of which loses against the value drawn for it.

    Each order gets its own redemption value or cost, drawn uniformly around `worth`; the bid is drawn uniformly below
    it, the ask above it, so no order trades at a loss against its value: the constraint that alone makes such a market
    efficient. It keeps one order per side, and orders only what it can pay for or owns.

    Source: Gode and Sunder (1993), "Allocative efficiency of markets with zero-intelligence traders: market as a
    partial substitute for individual rationality", Journal of Political Economy 101(1), "ZI with constraint". There
    the experimenter assigns the values; here each order draws a new one, around the last price once there is one. Times
    between orders are exponential, as in the continuous form of Smith, Farmer, Gillemot and Krishnamurthy (2003).
    """

    name = "zero_intelligence"

    every_s: float = option(2.0, "mean time between two orders [s]")
    worth: float = option(100.0, "value of a share before the first trade, where there is no reference price [dollars]")
    spread: float = option(0.02, "largest distance of values from the last price [fraction]")
    depth: float = option(0.01, "largest distance of limits from the value [fraction]")
    most: int = option(10, "largest order [shares]")

    watches = frozenset({"price"})

    def __post_init__(self) -> None:
        self._due_s = 0.0
        self._standing: dict[str, int] = {}

    def interval_s(self) -> float:
        """Return an interval short enough to keep the drawn times of orders [s]."""
        return self.every_s / 4

    def on_timer(self, now: float) -> None:
        """Send an order when the drawn time has come."""
        while now >= self._due_s:
            self._due_s = max(self._due_s, now - self.every_s) + self.rng.expovariate(1 / self.every_s)
            self._trade()

    def _trade(self) -> None:
        side = self.side(self.most)
        last = self.price().last
        centre = float(last or self.security.reference_price or self.worth)
        value = centre * (1 + self.rng.uniform(-self.spread, self.spread))
        away = self.rng.uniform(0.0, self.depth)
        quantity = self.rng.randint(1, self.most)
        limit = value * (1 - away) if side == "buy" else value * (1 + away)
        self.cancel(self._standing.get(side, 0))
        affordable = int(float(self.cash) / limit) if side == "buy" else self.available()
        if quantity <= affordable:
            self._standing[side] = self.order(side, quantity, limit)
