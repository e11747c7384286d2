"""A trader without a thought, but with a budget: the yardstick for all that think."""

from __future__ import annotations

from dataclasses import dataclass

from bots.strategy import SIDES, Strategy, option


@dataclass
class ZeroIntelligence(Strategy):
    """At random times a random order, of which none can lose by what it thinks a share is worth.

    Each order gets a redemption value or cost of its own, drawn uniformly around `worth`; the bid is drawn uniformly
    below it, the ask above it, so no order trades at a loss against it: the constraint that alone makes such a market
    efficient. It keeps one order at a time on each side, and orders what it can pay for or has.

    Source: Gode and Sunder (1993), "Allocative efficiency of markets with zero-intelligence traders: market as a
    partial substitute for individual rationality", Journal of Political Economy 101(1), "ZI with constraint". There
    the values are given to the traders by the experiment; here they are drawn anew for each order, around the last
    price once there is one, as a market that lasts has no experimenter. Times between orders are exponential, as in
    the continuous form of Smith, Farmer, Gillemot and Krishnamurthy (2003).
    """

    name = "zero_intelligence"

    every_s: float = option(2.0, "mean time between two orders [s]")
    worth: float = option(100.0, "what a share is worth until something has traded [dollars]")
    spread: float = option(0.02, "values are drawn up to this far from the last price [fraction]")
    depth: float = option(0.01, "limits are drawn up to this far from the value [fraction]")
    most: int = option(10, "largest order [shares]")

    watches = frozenset({"price"})

    def __post_init__(self) -> None:
        self._due_s = 0.0
        self._standing: dict[str, int] = {}

    def interval_s(self) -> float:
        """Often enough that the times between orders are as they are drawn."""
        return self.every_s / 4

    def on_timer(self, now: float) -> None:
        """Order, when the time that was drawn is over."""
        while now >= self._due_s:
            self._due_s = max(self._due_s, now - self.every_s) + self.rng.expovariate(1 / self.every_s)
            self._trade()

    def _trade(self) -> None:
        side = self.rng.choice(SIDES)
        last = self.price().last
        centre = float(last) if last is not None else self.worth
        value = centre * (1 + self.rng.uniform(-self.spread, self.spread))
        away = self.rng.uniform(0.0, self.depth)
        quantity = self.rng.randint(1, self.most)
        limit = value * (1 - away) if side == "buy" else value * (1 + away)
        self.cancel(self._standing.get(side, 0))
        affordable = int(float(self.cash) / limit) if side == "buy" else self.available()
        if quantity <= affordable:
            self._standing[side] = self.order(side, quantity, limit)
