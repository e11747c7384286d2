"""What the shares of a match are really worth: one truth for all who see a part of it, moved by the scheduled news."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from bots.fundamental import Fundamental
from bots.league.play.configuration import League, News
from bots.strategy import Strategy


def hidden_values(league: League, seed: int) -> dict[str, Fundamental]:
    """The hidden value of each security in the match of a seed; a part of a live match sees the same values."""
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
    """Give a strategy that knows what a share is worth the truth about its own security; others learn nothing."""
    if isinstance(getattr(strategy, "fundamental", None), Fundamental):
        strategy.fundamental = values[security_id]  # type: ignore[attr-defined]  # its input
