"""Rates bots by their places in many matches, as games rate their players.

Only places count, not money: a bot that is always second rates above one that wins once and loses the rest. The
Plackett-Luce model uses all places of a match at once.
source  R. Weng, C. Lin, "A Bayesian Approximation Method for Online Ranking", JMLR 12 (2011); library: openskill
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from openskill.models import PlackettLuce


class Rating(Struct, frozen=True):
    """An estimate of a bot's strength; every bot starts at 25 with a standard deviation of 8.33."""

    mu: float
    sigma: float

    @property
    def sure(self) -> float:
        """A lower bound that is almost certain: three standard deviations below the estimate."""
        return self.mu - 3 * self.sigma


def rate(places: Sequence[Sequence[int]]) -> list[Rating]:
    """Rate the bots from their matches, one after the other.

    places  the place of each bot in each match; 1 is the best
    """
    model = PlackettLuce()
    bots = [[model.rating()] for _ in places[0]]
    for match in places:
        bots = model.rate(bots, ranks=[float(place) for place in match])
    return [Rating(float(bot[0].mu), float(bot[0].sigma)) for bot in bots]
