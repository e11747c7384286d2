"""A rating from the places of many matches, as players of games have one.

It looks at places only, not at money: a bot that is second every time rates above one that wins once and loses the
rest. Plackett-Luce takes all places of a match at once.
source  R. Weng, C. Lin, "A Bayesian Approximation Method for Online Ranking", JMLR 12 (2011); library: openskill
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from openskill.models import PlackettLuce


class Rating(Struct, frozen=True):
    """What is believed of a bot's strength: everybody starts at 25 with a deviation of 8.33."""

    mu: float
    sigma: float

    @property
    def sure(self) -> float:
        """What it is worth at least, all but surely: three deviations below what is believed."""
        return self.mu - 3 * self.sigma


def rate(places: Sequence[Sequence[int]]) -> list[Rating]:
    """Ratings after these matches, one after the other.

    places  for each match the place of each bot, 1 the best
    """
    model = PlackettLuce()
    bots = [[model.rating()] for _ in places[0]]
    for match in places:
        bots = model.rate(bots, ranks=[float(place) for place in match])
    return [Rating(float(bot[0].mu), float(bot[0].sigma)) for bot in bots]
