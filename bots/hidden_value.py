"""The hidden values of the securities of a running exchange, which only informed traders observe, and the news.

Both are functions of a seed and the time since the market began alone: nothing is stored, processes that never talk to
each other agree, and a restart changes nothing. A value is a random walk between anchors four hours apart, so it moves
freely over minutes and stays within a few per cent of the reference price for as long as the exchange runs. News moves
the value of a security at once; its effect wears off over hours.

Source: the walk between two anchors is Lévy's construction of a Brownian bridge by midpoint displacement (Lévy 1948,
"Processus stochastiques et mouvement brownien"), which finds the value at any time in a dozen steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random

# Time between two anchors, and the standard deviation of an anchor from the reference price.
ANCHOR_S = 14_400.0
ANCHOR_DEVIATION = 0.01
# A walk is refined down to steps of less than a second: 14,400 s / 2^14.
LEVELS = 14
# Time in which the effect of news falls to 1/e, and after which it is left out [s].
NEWS_FADES_S = 3_600.0
NEWS_FORGOTTEN_S = 4 * NEWS_FADES_S
# Bounds of the change that news makes to a value [fraction].
LEAST_CHANGE, LARGEST_CHANGE = 0.002, 0.008

_GOOD = (
    "{0}: orders are ahead of expectations",
    "{0} raises its outlook for the year",
    "{0} wins a large contract",
    "{0}: costs fall for the third month in a row",
    "Analysts raise their estimates of {0}",
)
_BAD = (
    "{0}: orders fall short of expectations",
    "{0} lowers its outlook for the year",
    "{0} loses a large customer",
    "{0}: a supplier stops deliveries",
    "Analysts lower their estimates of {0}",
)


@dataclass(frozen=True, slots=True)
class News:
    """An item of news.

    at_s    time since the market began [s]
    change  what it does to the value at once [fraction]
    """

    at_s: float
    security_id: str
    change: float
    headline: str


@dataclass(frozen=True, slots=True)
class Values:
    """The hidden values of all securities.

    seed          of the walks and of the news
    references    reference prices, where the values start and to which they return [dollars]
    volatility    standard deviation of a value's change in a minute [fraction]
    news_every_s  mean time between two items of news; 0 for none [s]
    """

    seed: int
    references: tuple[tuple[str, float], ...]
    volatility: float
    news_every_s: float

    def of(self, security_id: str, *, since_s: float = 0.0) -> HiddenValue:
        """Return the value of a security; `since_s` is the time since the market began at the reader's time 0."""
        return HiddenValue(self, security_id, dict(self.references)[security_id], since_s)

    def news(self, slot: int) -> News:
        """Return the only item of news of a slot of time, `news_every_s` long, from 0."""
        return _news_of(self, slot)


@dataclass(frozen=True, slots=True)
class HiddenValue:
    """The hidden value of one security; `start` is its reference price [dollars]."""

    values: Values
    security_id: str
    start: float
    since_s: float = 0.0

    def value(self, now_s: float) -> float:
        """Return the value at the reader's time [dollars]."""
        at_s = max(now_s + self.since_s, 0.0)
        return self.start * math.exp(self._walk(at_s) + self._effect_of_news(at_s))

    def _walk(self, at_s: float) -> float:
        segment = int(at_s // ANCHOR_S)
        left, right = self._anchor(segment), self._anchor(segment + 1)
        low_s, length_s, node = segment * ANCHOR_S, ANCHOR_S, 1
        for _ in range(LEVELS):
            chance = self._normal(f"{segment}:{node}")
            middle = (left + right) / 2 + self.values.volatility * math.sqrt(length_s / 60) / 2 * chance
            length_s /= 2
            if at_s < low_s + length_s:
                right, node = middle, 2 * node
            else:
                left, low_s, node = middle, low_s + length_s, 2 * node + 1
        return left

    def _anchor(self, number: int) -> float:
        return ANCHOR_DEVIATION * self._normal(f"anchor:{number}") if number else 0.0

    def _normal(self, name: str) -> float:
        return _normal(f"{self.values.seed}:{self.security_id}:{name}")

    def _effect_of_news(self, at_s: float) -> float:
        every_s = self.values.news_every_s
        if not every_s:
            return 0.0
        slots = range(max(int((at_s - NEWS_FORGOTTEN_S) // every_s), 0), int(at_s // every_s) + 1)
        return sum(
            item.change * math.exp((item.at_s - at_s) / NEWS_FADES_S)
            for item in map(self.values.news, slots)
            if item.security_id == self.security_id and item.at_s <= at_s
        )


@lru_cache(maxsize=1_024)
def _normal(name: str) -> float:
    # Text as a seed is hashed by SHA-512, the same in every process.
    return Random(name).gauss(0.0, 1.0)


@lru_cache(maxsize=1_024)
def _news_of(values: Values, slot: int) -> News:
    chance = Random(f"{values.seed}:news:{slot}")
    security_id = chance.choice([name for name, _ in values.references])
    change = chance.choice((-1, 1)) * chance.uniform(LEAST_CHANGE, LARGEST_CHANGE)
    headline = chance.choice(_GOOD if change > 0 else _BAD).format(security_id)
    return News((slot + chance.uniform(0.3, 0.7)) * values.news_every_s, security_id, change, headline)
