"""What differs between a match as it is told and as it came out when it was played again, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bots.league.play.result import BotResult, Match

_OF_MATCH = ("commands", "trades", "log_hash", "trades_hash", "fees_cents", "opening", "last", "happened", "duration_s")
_OF_BOT = ("cash_cents", "shares", "orders", "cancels", "rejected", "closed", "opening_cash_cents", "opening")


class ResultMismatch(Exception):
    """A result that is not what comes of it; the lines name what differs."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


def require(faults: Sequence[str]) -> None:
    """See that there are none. Raises ResultMismatch."""
    if faults:
        raise ResultMismatch(faults)


def differences(told: Match, played: Match) -> list[str]:
    """The differences, the most telling first; never empty for two that have different hashes."""
    found = [*_bots(told, played), *_whole(told, played)]
    return found or ["it differs"]


def _whole(told: Match, played: Match) -> Iterator[str]:
    for name in _OF_MATCH:
        one, other = getattr(told, name), getattr(played, name)
        if one != other:
            yield f"{name} is {one} in the result, and {other} when it is played"
    for security_id in played.securities:
        if told.market.get(security_id) != played.market[security_id]:
            yield f"the samples of {security_id} differ"


def _bots(told: Match, played: Match) -> Iterator[str]:
    names = [bot.name for bot in told.bots]
    if names != [bot.name for bot in played.bots]:
        configured = ", ".join(bot.name for bot in played.bots)
        yield f"its bots are {', '.join(names)}, and those of the configuration are {configured}"
        return
    for one, other in zip(told.bots, played.bots, strict=True):
        yield from _bot(one, other)


def _bot(told: BotResult, played: BotResult) -> Iterator[str]:
    for name in _OF_BOT:
        one, other = getattr(told, name), getattr(played, name)
        if one != other:
            yield f"{told.name}: {name} is {one} in the result, and {other} when it is played"
    if told.fills != played.fills:
        at = next(
            (n for n, (one, other) in enumerate(zip(told.fills, played.fills, strict=False)) if one != other),
            min(len(told.fills), len(played.fills)),
        )
        yield f"{told.name}: its fills differ from number {at + 1} on"
    if told.samples != played.samples:
        yield f"{told.name}: its samples differ"
    if told.notes != played.notes:
        yield f"{told.name}: what it wrote down differs"
    if (told.failure is None) != (played.failure is None):
        yield f"{told.name}: it was {'not ' if told.failure is None else ''}disqualified in the result only"
