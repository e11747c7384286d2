"""Describes in words how a stored match differs from the same match played again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bots.league.play.result import BotResult, Match

_OF_MATCH = ("commands", "trades", "log_hash", "trades_hash", "fees_cents", "opening", "last", "happened", "duration_s")
_OF_BOT = (
    "cash_cents",
    "shares",
    "orders",
    "cancels",
    "rejected",
    "closed",
    "opening_cash_cents",
    "opening",
    "fund_cents",
)


class ResultMismatch(Exception):
    """A stored result does not follow from its matches; each line names a difference."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


def require(faults: Sequence[str]) -> None:
    """Raise ResultMismatch if there are any faults."""
    if faults:
        raise ResultMismatch(faults)


def differences(claimed: Match, played: Match) -> list[str]:
    """Return the differences, the most important first; never empty for two matches with different hashes."""
    found = [*_bots(claimed, played), *_whole(claimed, played)]
    return found or ["the matches differ"]


def _whole(claimed: Match, played: Match) -> Iterator[str]:
    for name in _OF_MATCH:
        one, other = getattr(claimed, name), getattr(played, name)
        if one != other:
            yield f"{name} is {one} in the result, but {other} when played again"
    for security_id in played.securities:
        if claimed.market.get(security_id) != played.market[security_id]:
            yield f"the samples of {security_id} differ"


def _bots(claimed: Match, played: Match) -> Iterator[str]:
    names = [bot.name for bot in claimed.bots]
    if names != [bot.name for bot in played.bots]:
        configured = ", ".join(bot.name for bot in played.bots)
        yield f"the result has the bots {', '.join(names)}, but the configuration has {configured}"
        return
    for one, other in zip(claimed.bots, played.bots, strict=True):
        yield from _bot(one, other)


def _bot(claimed: BotResult, played: BotResult) -> Iterator[str]:
    for name in _OF_BOT:
        one, other = getattr(claimed, name), getattr(played, name)
        if one != other:
            yield f"{claimed.name}: {name} is {one} in the result, but {other} when played again"
    if claimed.fills != played.fills:
        at = next(
            (n for n, (one, other) in enumerate(zip(claimed.fills, played.fills, strict=False)) if one != other),
            min(len(claimed.fills), len(played.fills)),
        )
        yield f"{claimed.name}: the fills differ from number {at + 1} on"
    if claimed.samples != played.samples:
        yield f"{claimed.name}: the samples differ"
    if claimed.notes != played.notes:
        yield f"{claimed.name}: the notes differ"
    if (claimed.failure is None) != (played.failure is None):
        where = "when played again" if claimed.failure is None else "in the result"
        yield f"{claimed.name} was disqualified only {where}"
