"""The hidden value of a share, which only informed traders observe.

A mean-reverting random walk that jumps with the news. It is a pure function of its seed, its parameters and the news,
independent of how often and in which order it is read, so all informed traders of a match see the same value, and so
does a replay.

Source: the hidden value of Glosten and Milgrom (1985), "Bid, ask and transaction prices in a specialist market with
heterogeneously informed traders", and Kyle (1985), "Continuous auctions and insider trading"; mean reversion as in
Uhlenbeck and Ornstein (1930), so that the value stays within reach of a market of some hours.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field


@dataclass
class Fundamental:
    """A hidden value over time.

    seed          seed of the walk
    start         initial value, to which the walk reverts [dollars]
    volatility    standard deviation of the steps of a free walk [dollars per square root of a second]
    reversion_s   time in which a deviation falls to 1/e, > 0 [s]
    step_s        time between two steps, > 0 [s]
    """

    seed: int = 0
    start: float = 100.0
    volatility: float = 0.02
    reversion_s: float = 3600.0
    step_s: float = 1.0
    _news: list[tuple[float, float]] = field(default_factory=list)
    _walk: list[float] = field(default_factory=lambda: [0.0])

    def __post_init__(self) -> None:
        if min(self.reversion_s, self.step_s, self.start) <= 0 or self.volatility < 0:
            raise ValueError("start, step_s and reversion_s must be above 0, and volatility must not be negative")
        self._rng = random.Random(self.seed)
        # The exact step of the process over step_s, whatever its length.
        self._keeps = math.exp(-self.step_s / self.reversion_s)
        self._deviation = self.volatility * math.sqrt((1 - self._keeps**2) * self.reversion_s / 2)

    def add_news(self, at_s: float, change: float) -> None:
        """Add news: from a time [s] on, the value differs by `change` [dollars], which does not revert."""
        self._news.append((at_s, change))

    def value(self, now_s: float) -> float:
        """Return the value of a share at a time, at least one cent [dollars]."""
        step = int(max(now_s, 0.0) / self.step_s)
        while len(self._walk) <= step:
            self._walk.append(self._walk[-1] * self._keeps + self._rng.gauss(0.0, self._deviation))
        jumps = sum(change for at_s, change in self._news if at_s <= now_s)
        return max(self.start + self._walk[step] + jumps, 0.01)

    def changes_after(self, now_s: float) -> float:
        """Return when the value may change next, after a time [s]."""
        step_s = (int(max(now_s, 0.0) / self.step_s) + 1) * self.step_s
        return min([step_s, *(at_s for at_s, _ in self._news if at_s > now_s)])


class RevealedValue:
    """A hidden value as its observers get it: what it is now, and nothing of what it will be.

    now   value of a share, kept up to date by the runner [dollars]
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def value(self, now_s: float) -> float:
        """Return the value of a share now [dollars]; the time is the caller's and does not matter."""
        return self.now
