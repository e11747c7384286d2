"""What a share is really worth, as a process that only informed traders see a part of.

A random walk that is drawn back to where it began, and jumps with the news. It is a pure function of its seed, its
parameters and the news: whoever asks, how often and in which order makes no difference, so all informed traders of a
match see one truth, and a replay sees it again.

Source: the hidden value of Glosten and Milgrom (1985), "Bid, ask and transaction prices in a specialist market with
heterogeneously informed traders", and Kyle (1985), "Continuous auctions and insider trading"; drawn back as in
Ornstein and Uhlenbeck (1930), so that it stays in reach of a market of hours.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Fundamental:
    """A hidden value over time.

    seed          of its walk
    start         where it begins, and what it is drawn back to [dollars]
    volatility    standard deviation of its steps, as of a free walk [dollars per square root of a second]
    reversion_s   time in which a deviation falls to 1/e of itself, > 0 [s]
    step_s        it stands still for so long, > 0 [s]
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
            raise ValueError("start, step and reversion are above 0, and the volatility is not below")
        self._rng = random.Random(self.seed)
        # The exact step of the process over step_s, whatever its length.
        self._keeps = math.exp(-self.step_s / self.reversion_s)
        self._deviation = self.volatility * math.sqrt((1 - self._keeps**2) * self.reversion_s / 2)

    def tell(self, at_s: float, change: float) -> None:
        """News: from a time on it is worth so much more, or less below zero [dollars]; it is not drawn back."""
        self._news.append((at_s, change))

    def tell_all(self, news: Iterable[tuple[float, float]]) -> None:
        """News, as pairs of a time [s] and a change [dollars]."""
        self._news.extend(news)

    def value(self, now_s: float) -> float:
        """What a share is worth at a time, at least a cent [dollars]."""
        step = int(max(now_s, 0.0) / self.step_s)
        while len(self._walk) <= step:
            self._walk.append(self._walk[-1] * self._keeps + self._rng.gauss(0.0, self._deviation))
        told = sum(change for at_s, change in self._news if at_s <= now_s)
        return max(self.start + self._walk[step] + told, 0.01)
