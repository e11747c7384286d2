"""Proves a live result without the exchange: shows that it follows from the published trades.

It cannot prove that the engine had to make these trades, because the exchange keeps its log to itself. The exchange's
audit replays the log (`make audit`), and the result contains the audit from the end of the tournament.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from bots.league.play.result import BotResult, Fill, Match
from bots.league.proof.archive import Folder, InvalidResult, Result
from bots.league.proof.differences import require


class TapeTrade(Struct, frozen=True):
    """A trade on the tape, with the fields that fills must match [dollars]."""

    trade_id: str
    security_id: str
    price: str
    quantity: int
    aggressor_side: str | None


def tapes(folder: Folder, proof: Result, matches: Sequence[Match]) -> str:
    """Check that the tape is the proof's and each fill is a side of one of its trades.

    raises  ResultMismatch, InvalidResult
    """
    faults = []
    fills = 0
    for match in matches:
        lines = list(folder.read_lines(match.seed, "tape"))
        found = hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()
        if (found, len(lines)) != (match.trades_hash, match.trades):
            faults.append(f"matches/{match.seed}.tape.gz has changed: its hash or length is not that of the match")
            continue
        try:
            claimed = [msgspec.json.decode(line, type=TapeTrade) for line in lines]
        except msgspec.MsgspecError as fault:
            raise InvalidResult(f"matches/{match.seed}.tape.gz cannot be read: {fault}") from None
        faults += [f"seed {match.seed}: {fault}" for fault in _unlike(claimed, match)]
        fills += sum(len(bot.fills) for bot in match.bots)
    require(faults)
    return (
        f"{fills:,} fills of the bots are sides of the {sum(one.trades for one in proof.matches):,} trades on the tape"
    )


def _unlike(claimed: Sequence[TapeTrade], match: Match) -> Iterator[str]:
    taken: set[tuple[int, str]] = set()
    for bot in match.bots:
        for fill in bot.fills:
            if (fill.trade, fill.side) in taken or not _fits(claimed, fill):
                yield f"{bot.name} has a fill of {fill.quantity} {fill.security_id} that is not on the tape"
            taken.add((fill.trade, fill.side))


def _fits(claimed: Sequence[TapeTrade], fill: Fill) -> bool:
    if not 1 <= fill.trade <= len(claimed):
        return False
    trade = claimed[fill.trade - 1]
    price_cents = round(float(trade.price) * 100)
    is_taker = trade.aggressor_side == fill.side
    return (trade.security_id, price_cents, trade.quantity, not is_taker) == (
        fill.security_id,
        fill.price_cents,
        fill.quantity,
        fill.is_maker,
    )


def ledgers(matches: Sequence[Match]) -> str:
    """Check that each account ends with its opening and its fills. Raises ResultMismatch."""
    faults = [f"seed {match.seed}: {fault}" for match in matches for bot in match.bots for fault in _ledger(bot)]
    require(faults)
    accounts = sum(len(match.bots) for match in matches)
    return f"{accounts} accounts end with their opening and their fills, to the cent"


def _ledger(bot: BotResult) -> Iterator[str]:
    cash_cents, shares = bot.opening_cash_cents, dict(bot.opening)
    for fill in bot.fills:
        sign = 1 if fill.side == "buy" else -1
        cash_cents -= sign * fill.quantity * fill.price_cents + fill.fee_cents
        shares[fill.security_id] = shares.get(fill.security_id, 0) + sign * fill.quantity
    if cash_cents != bot.cash_cents:
        yield f"{bot.name} has {bot.cash_cents} cents, but its fills lead to {cash_cents}"
    for security_id, claimed in bot.shares.items():
        if claimed != shares.get(security_id, 0):
            yield f"{bot.name} has {claimed} {security_id}, but its fills lead to {shares.get(security_id, 0)}"


def audit_of(proof: Result) -> str:
    """Describe the exchange's own audit, which this module cannot check."""
    audit = (proof.exchange or {}).get("audit", {})
    verdict = "passed" if audit.get("passed") else "did not pass"
    return f"not proven here: that the engine had to make these trades; the exchange's own audit of its log {verdict}"
