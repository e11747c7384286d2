"""What can be proven of a live result without the exchange: that all of it follows from the trades it told everybody.

That the engine had to make these trades is not among it. The log that they come from is the exchange's own, and no
route gives it away; its audit replays it (`make audit`), and what that said when the tournament was over stands in the
result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from bots.league.play.result import BotResult, Fill, Match
from bots.league.proof.archive import Folder, NoResult, Result
from bots.league.proof.differences import require


class Told(Struct, frozen=True):
    """A trade on the tape, as far as it has to fit to the fills [dollars]."""

    trade_id: str
    security_id: str
    price: str
    quantity: int
    aggressor_side: str | None


def tapes(folder: Folder, proof: Result, matches: Sequence[Match]) -> str:
    """The tape is the one of the proof, and each fill is a side of a trade on it. Raises Differs, NoResult."""
    faults = []
    fills = 0
    for match in matches:
        lines = list(folder.read_lines(match.seed, "tape"))
        found = hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()
        if (found, len(lines)) != (match.trades_hash, match.trades):
            faults.append(f"matches/{match.seed}.tape.gz is not the one that was written")
            continue
        try:
            told = [msgspec.json.decode(line, type=Told) for line in lines]
        except msgspec.MsgspecError as fault:
            raise NoResult(f"matches/{match.seed}.tape.gz cannot be read: {fault}") from None
        faults += [f"seed {match.seed}: {fault}" for fault in _unlike(told, match)]
        fills += sum(len(bot.fills) for bot in match.bots)
    require(faults)
    return (
        f"{fills:,} fills of the bots are sides of the {sum(one.trades for one in proof.matches):,} trades on the tape"
    )


def _unlike(told: Sequence[Told], match: Match) -> Iterator[str]:
    taken: set[tuple[int, str]] = set()
    for bot in match.bots:
        for fill in bot.fills:
            if (fill.trade, fill.side) in taken or not _fits(told, fill):
                yield f"{bot.name} has a fill of {fill.quantity} {fill.security_id} that is on no tape"
            taken.add((fill.trade, fill.side))


def _fits(told: Sequence[Told], fill: Fill) -> bool:
    if not 1 <= fill.trade <= len(told):
        return False
    trade = told[fill.trade - 1]
    price_cents = round(float(trade.price) * 100)
    is_taker = trade.aggressor_side == fill.side
    return (trade.security_id, price_cents, trade.quantity, not is_taker) == (
        fill.security_id,
        fill.price_cents,
        fill.quantity,
        fill.is_maker,
    )


def ledgers(matches: Sequence[Match]) -> str:
    """Each account ends with what it began with and its fills. Raises Differs."""
    faults = [f"seed {match.seed}: {fault}" for match in matches for bot in match.bots for fault in _ledger(bot)]
    require(faults)
    accounts = sum(len(match.bots) for match in matches)
    return f"{accounts} accounts end with what they began with, and their fills, to the cent"


def _ledger(bot: BotResult) -> Iterator[str]:
    cash_cents, shares = bot.opening_cash_cents, dict(bot.opening)
    for fill in bot.fills:
        sign = 1 if fill.side == "buy" else -1
        cash_cents -= sign * fill.quantity * fill.price_cents + fill.fee_cents
        shares[fill.security_id] = shares.get(fill.security_id, 0) + sign * fill.quantity
    if cash_cents != bot.cash_cents:
        yield f"{bot.name} has {bot.cash_cents} cents, and of its fills come {cash_cents}"
    for security_id, told in bot.shares.items():
        if told != shares.get(security_id, 0):
            yield f"{bot.name} has {told} {security_id}, and of its fills come {shares.get(security_id, 0)}"


def said_of(proof: Result) -> str:
    """What the exchange said of itself, which is not proven here."""
    audit = (proof.exchange or {}).get("audit", {})
    said = "passed" if audit.get("passed") else "did not pass"
    return f"not proven here: that the engine had to make these trades; the exchange's own audit of its log {said} then"
