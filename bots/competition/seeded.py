"""Derives hidden values, and the seeds of the house bots, from the seed of a competition.

The seed is secret until the end and its SHA-256 is public from the beginning, so everyone can compute all of this
again afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from bots.fundamental import Fundamental

# Volatility of a hidden value [fraction of its reference price per square root of a second]: 1.2 % an hour.
VOLATILITY = 0.0002


def drawn(seed: str, *names: object) -> int:
    """Return a number below 2^60 that follows from the seed and these names."""
    text = ":".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 4


def hidden_value(
    seed: str, round_: int, name: str, *, reference: float, news: Iterable[tuple[float, float]]
) -> Fundamental:
    """Return the hidden value of a security in a round.

    name       the security as the case names it
    reference  its reference price, at which the value starts [dollars]
    news       times since continuous trading began [s] and changes [fraction of the value]
    """
    value = Fundamental(seed=drawn(seed, round_, "value", name), start=reference, volatility=VOLATILITY * reference)
    for at_s, change in sorted(news):
        value.add_news(at_s, change * value.value(at_s))
    return value


def final_cents(value: Fundamental, *, round_s: float, most_cents: int) -> int:
    """Return the value of a security at the end of a round [cents], at most its highest price.

    Planned news can multiply a value without bound, even beyond the numbers of a computer.
    """
    return max(round(min(100 * value.value(round_s), float(most_cents))), 1)
