"""Writes events.jsonl: the events of a tournament, one line of JSON each, by match and time.

    {"seed":1,"time_s":12.402,"event":"trade","security_id":"MSFT","price":"100.12","quantity":4,
     "buyer":"retail","seller":"market_maker","aggressor":"buy"}

The other events are `scheduled` (news, halts, sellers), `note` (a line that a bot logged), `disqualified`, and at the
end of each match `ended` for each bot. A trader that is not a bot of the tournament has the name null.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from bots.league.play.result import BotResult, Fill, Match

Line = dict[str, Any]


def lines(match: Match) -> Iterator[bytes]:
    """Yield the events of a match as lines, including their line ends."""
    happened = [(event["time_s"], number, event) for number, event in enumerate(_events(match))]
    for _, _, event in sorted(happened, key=lambda one: one[:2]):
        yield msgspec.json.encode({"seed": match.seed, **event}) + b"\n"
    for bot in match.bots:
        yield (
            msgspec.json.encode(
                {
                    "seed": match.seed,
                    "time_s": match.duration_s,
                    "event": "ended",
                    "bot": bot.name,
                    "balance": _dollars(bot.cash_cents),
                    "shares": bot.shares,
                    "disqualified": bot.failure is not None,
                }
            )
            + b"\n"
        )


def _events(match: Match) -> Iterator[Line]:
    for happened in match.happened:
        yield {
            "time_s": happened.time_s,
            "event": "scheduled",
            "security_id": happened.security_id,
            "what": happened.text,
        }
    yield from _trades(match)
    for bot in match.bots:
        for note in bot.notes:
            yield {"time_s": note.time_s, "event": "note", "bot": bot.name, "text": note.text, **_own(note.fields)}
        if bot.failure is not None:
            yield {
                "time_s": bot.failure.time_s,
                "event": "disqualified",
                "bot": bot.name,
                "why": bot.failure.kind,
                "error": bot.failure.error,
            }


def _own(fields: dict[str, str]) -> Line:
    return {"fields": fields} if fields else {}


def _trades(match: Match) -> Iterator[Line]:
    """Yield each trade once, even if both sides are bots."""
    sides: dict[int, dict[str, tuple[BotResult, Fill]]] = {}
    for bot in match.bots:
        for fill in bot.fills:
            sides.setdefault(fill.trade, {})[fill.side] = bot, fill
    for _, legs in sorted(sides.items()):
        one = next(iter(legs.values()))[1]
        takers = [side for side, (_, fill) in legs.items() if not fill.is_maker]
        opposite = None if len(legs) == 2 else "sell" if one.side == "buy" else "buy"
        yield {
            "time_s": one.time_s,
            "event": "trade",
            "security_id": one.security_id,
            "price": _dollars(one.price_cents),
            "quantity": one.quantity,
            "buyer": legs["buy"][0].name if "buy" in legs else None,
            "seller": legs["sell"][0].name if "sell" in legs else None,
            "aggressor": takers[0] if takers else opposite,  # null in an auction, where both sides are makers
        }


def _dollars(cents: int) -> str:
    sign, cents = "-" if cents < 0 else "", abs(cents)
    return f"{sign}{cents // 100}.{cents % 100:02d}"
