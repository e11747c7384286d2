"""Computes means over many matches, their confidence intervals, and the probability that one bot is better.

The bootstrap draws seeds with replacement, the same ones for all bots, so a market that favoured all bots is not
evidence for any of them.
source  B. Efron, R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13 and 16
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

DRAWS = 10_000
CONFIDENCE = 0.95


class Estimate(Struct, frozen=True):
    """A mean and the bounds of its confidence interval, which are None for a single match."""

    mean: float
    low: float | None
    high: float | None


class Comparison(Struct, frozen=True):
    """Estimates by bot, and the probability that the row's bot has a higher mean than the column's."""

    estimates: list[Estimate]
    better: list[list[float | None]]


def compare(values: Sequence[Sequence[float]], *, seed: int = 0, draws: int = DRAWS) -> Comparison:
    """Compare bots by their values in the same matches.

    values  one row for each bot, one column for each match
    seed    seed of the bootstrap, so that a report is reproducible
    returns intervals and probabilities if there are at least two matches
    """
    table = np.asarray(values, dtype=float)
    bots, matches = table.shape
    means = table.mean(axis=1)
    if matches < 2:
        nothing: list[list[float | None]] = [[None] * bots for _ in range(bots)]
        return Comparison([Estimate(float(mean), None, None) for mean in means], nothing)
    drawn = np.random.default_rng(seed).integers(0, matches, size=(draws, matches))
    weights = np.stack([np.bincount(row, minlength=matches) for row in drawn]) / matches
    resampled = weights @ table.T  # draws x bots
    edge = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [edge, 1 - edge], axis=0)
    estimates = [Estimate(float(m), float(a), float(b)) for m, a, b in zip(means, low, high, strict=True)]
    better: list[list[float | None]] = []
    for one in range(bots):
        against = resampled[:, [one]] - resampled
        # A tie counts half for each bot.
        wins = (against > 0).mean(axis=0) + (against == 0).mean(axis=0) / 2
        better.append([None if one == other else float(wins[other]) for other in range(bots)])
    return Comparison(estimates, better)
