"""Exponential moving averages, for strategies that compare a price with its past."""

from __future__ import annotations

import math

# Differences of sums below this fraction of them are rounding errors.
ROUNDING = 1e-12


class Average:
    """A moving average over time rather than over observations: half of its weight is younger than `half_life_s`.

    Source: exponential smoothing for observations at irregular times, Eckner (2017), "Algorithms for unevenly spaced
    time series: moving averages and other rolling operators", with the last value standing until the next.
    """

    def __init__(self, half_life_s: float) -> None:
        self._rate = math.log(2) / half_life_s
        self._at_s: float | None = None
        self._last = 0.0
        self._weight = 0.0  # fraction of the full weight that the history covers so far
        self._sum = 0.0
        self._square = 0.0
        self.age_s = 0.0

    def add(self, now_s: float, value: float) -> None:
        """Add a value; the previous one has lasted until now."""
        if self._at_s is not None:
            self.age_s += now_s - self._at_s
            keeps = math.exp(-self._rate * (now_s - self._at_s))
            self._weight = keeps * self._weight + (1 - keeps)
            self._sum = keeps * self._sum + (1 - keeps) * self._last
            self._square = keeps * self._square + (1 - keeps) * self._last**2
        self._at_s, self._last = now_s, value

    @property
    def mean(self) -> float:
        """The average up to the last value; the last value itself while there is no history."""
        return self._sum / self._weight if self._weight else self._last

    @property
    def deviation(self) -> float:
        """The standard deviation around the mean; 0 if it is within rounding errors."""
        if not self._weight:
            return 0.0
        square = self._square / self._weight
        variance = square - self.mean**2
        return math.sqrt(variance) if variance > ROUNDING * square else 0.0
