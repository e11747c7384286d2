"""Makes the hidden values of the securities, the same for all informed traders of a match, moved by scheduled news."""

from __future__ import annotations

from random import Random

from bots.fundamental import Fundamental
from bots.league.play.configuration import League, News


def hidden_values(league: League, seed: int) -> dict[str, Fundamental]:
    """Return the hidden value of each security in a match; every process of a live match gets the same values."""
    values = {}
    for security in league.securities:
        # Text as a seed is hashed by SHA-512, the same in every process.
        value = Fundamental(
            seed=Random(f"{league.chance(seed)}:value:{security.id}").getrandbits(60),
            start=float(security.price),
            volatility=security.volatility,
        )
        news = [event for event in league.events if isinstance(event, News) and event.security == security.id]
        for event in sorted(news, key=lambda event: event.at):
            value.add_news(event.at, event.change * value.value(event.at))
        values[security.id] = value
    return values
