"""Makes the hidden values of the securities, the same for all informed traders of a match, moved by scheduled news."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from bots.fundamental import Fundamental
from bots.league.play.configuration import League, News
from bots.strategy import Strategy


def hidden_values(league: League, seed: int) -> dict[str, Fundamental]:
    """Return the hidden value of each security in a match; every process of a live match gets the same values."""
    values = {}
    for security in league.securities:
        # Text as a seed is hashed by SHA-512, the same in every process.
        value = Fundamental(seed=Random(f"{seed}:value:{security.id}").getrandbits(60), start=float(security.price))
        news = [event for event in league.events if isinstance(event, News) and event.security == security.id]
        for event in sorted(news, key=lambda event: event.at):
            value.tell(event.at, event.change * value.value(event.at))
        values[security.id] = value
    return values


def reveal(strategy: Strategy, values: Mapping[str, Fundamental], security_id: str) -> None:
    """Give an informed strategy the hidden value of its own security; leave other strategies alone."""
    if isinstance(getattr(strategy, "fundamental", None), Fundamental):
        strategy.fundamental = values[security_id]  # type: ignore[attr-defined]  # the input of informed strategies
