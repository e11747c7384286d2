"""Computes means over many matches, their confidence intervals, and which bot is better than which.

Matches are independent, and a gain is a sum of many trades, so means follow Student's distribution; with ten matches
the percentile bootstrap and BCa contain the true mean too rarely. Bots are compared by their differences in the same
matches, so a market that favoured all bots is not evidence for any of them. Each of the many pairs could win by
chance, which Holm's procedure takes into account.
source  Student, "The probable error of a mean", Biometrika 6 (1908); S. Holm, "A simple sequentially rejective
        multiple test procedure", Scandinavian Journal of Statistics 6 (1979)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, stdev

from msgspec import Struct

CONFIDENCE = 0.95
# With fewer matches than this nothing is said of which bot is better: one unusual match would decide.
ENOUGH_MATCHES = 5


class Estimate(Struct, frozen=True):
    """A mean and the bounds of its confidence interval, which are None for a single match."""

    mean: float
    low: float | None
    high: float | None


class Comparison(Struct, frozen=True):
    """Estimates by bot, and how certain it is that the row's bot has a higher mean than the column's.

    better  1 less the one-sided p-value, corrected for the number of pairs; None where there are too few matches to say
    """

    estimates: list[Estimate]
    better: list[list[float | None]]


def compare(values: Sequence[Sequence[float]]) -> Comparison:
    """Compare bots by their values in the same matches: one row for each bot, one column for each match."""
    bots = len(values)
    better: list[list[float | None]] = [[None] * bots for _ in range(bots)]
    if len(values[0]) >= ENOUGH_MATCHES:
        pairs = list(combinations(range(bots), 2))
        differences = [[a - b for a, b in zip(values[one], values[other], strict=True)] for one, other in pairs]
        corrected = holm([p_value(difference) for difference in differences])
        for (one, other), difference, p in zip(pairs, differences, corrected, strict=True):
            ahead = 1 - p / 2 if sum(difference) >= 0 else p / 2
            better[one][other], better[other][one] = ahead, 1 - ahead
    return Comparison([estimate(row) for row in values], better)


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean and its interval by Student's distribution."""
    mean = fmean(values)
    if len(values) < 2:
        return Estimate(mean, None, None)
    half = quantile((1 + confidence) / 2, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def p_value(values: Sequence[float]) -> float:
    """Return the probability of a mean this far from 0, on either side, if the true one is 0."""
    mean, deviation = fmean(values), stdev(values)
    if deviation == 0:
        return 0.0 if mean else 1.0
    return 2 * tail(abs(mean) / deviation * math.sqrt(len(values)), len(values) - 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number; those below 0.05 then contain a false one with a probability below 0.05."""
    corrected, worst = [0.0] * len(p_values), 0.0
    for place, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min((len(p_values) - place) * p_values[at], 1.0))
        corrected[at] = worst
    return corrected


# -- Student's distribution --------------------------------------------------------------------------------------------


def tail(t: float, freedom: int) -> float:
    """Return the probability that Student's variable exceeds t, which is 0 or more.

    source  M. Abramowitz, I. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.3 and 26.7.4
    """
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    if freedom % 2:
        term, total = cosine, 0.0
        for step in range(1, freedom - 1, 2):
            total += term
            term *= cosine**2 * (step + 1) / (step + 2)
        inside = 2 / math.pi * (angle + sine * total)
    else:
        term, total = 1.0, 0.0
        for step in range(0, freedom - 1, 2):
            total += term
            term *= cosine**2 * (step + 1) / (step + 2)
        inside = sine * total
    return max((1 - inside) / 2, 0.0)


def quantile(probability: float, freedom: int) -> float:
    """Return the value that Student's variable exceeds with 1 less the probability, which is above one half."""
    low, high = 0.0, 1.0
    while tail(high, freedom) > 1 - probability:
        low, high = high, 2 * high
    for _ in range(100):  # the interval halves each time, so fewer steps reach the precision of a float
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle, freedom) > 1 - probability else (low, middle)
    return (low + high) / 2
