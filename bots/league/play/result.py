"""What a match ends with, as plain values: cents, shares and seconds, nothing that depends on the machine.

A match is the same whether it was simulated or played on a running exchange, and everything that the league says is
computed from these values. They are kept as JSON; the hash of a match is that of its JSON in one form.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec
from msgspec import Struct

Side = Literal["buy", "sell"]


class Fill(Struct, frozen=True, array_like=True):
    """A trade as one of its sides sees it; the fee is negative for a rebate [cents], both sides have the same trade."""

    time_s: float
    security_id: str
    order_id: int
    side: Side
    quantity: int
    price_cents: int
    is_maker: bool
    fee_cents: int
    trade: int


class AccountSample(Struct, frozen=True, array_like=True):
    """An account at a time: its cash, and its shares in the order of the match's securities."""

    time_s: float
    cash_cents: int
    shares: list[int]


class MarketSample(Struct, frozen=True, array_like=True):
    """A security at a time: the best prices and the shares there, the last price, and the shares traded until then."""

    time_s: float
    bid_cents: int | None
    bid_quantity: int
    ask_cents: int | None
    ask_quantity: int
    last_cents: int
    volume: int


class Failure(Struct, frozen=True, kw_only=True):
    """Why a bot was disqualified, and when.

    kind       `lost`, its connection or its process; `crashed`, it took the process of the match with it, and that was
               played without it
    traceback  for people: it names files of the machine, so it is no part of the hash
    """

    kind: Literal["raised", "hung", "flooded", "lost", "crashed"]
    time_s: float
    error: str
    traceback: str


class Note(Struct, frozen=True, array_like=True):
    """What a strategy wrote down."""

    time_s: float
    text: str
    fields: dict[str, str]


class BotResult(Struct, frozen=True, kw_only=True):
    """What one bot has done, and what it has at the end.

    name       how the report calls it
    orders     orders that reached the exchange, or were refused at its door
    rejected   those that were never in the market, by reason
    closed     those that ended unfilled or in part, by reason
    opening    shares it began with, by security
    shares     shares it ends with, by security
    """

    name: str
    strategy: str
    account: str
    opening_cash_cents: int
    opening: dict[str, int]
    cash_cents: int
    shares: dict[str, int]
    orders: int
    cancels: int
    rejected: dict[str, int]
    closed: dict[str, int]
    fills: list[Fill]
    samples: list[AccountSample]
    notes: list[Note] = []
    failure: Failure | None = None


class PastEvent(Struct, frozen=True, kw_only=True):
    """A scheduled event that has taken place, in words."""

    time_s: float
    security_id: str
    text: str


class Match(Struct, frozen=True, kw_only=True):
    """A match that was played.

    securities   in the order of every list about them
    opening      the price at which each security began [cents]
    last         the price at which it ended [cents]
    market       samples of each security
    commands     how many the log of commands has, and its SHA-256
    log_hash     of the commands' lines
    trades_hash  of the trades' lines, in the order of their making
    """

    kind: Literal["simulated", "live"]
    seed: int
    duration_s: float
    securities: list[str]
    opening: dict[str, int]
    last: dict[str, int]
    bots: list[BotResult]
    market: dict[str, list[MarketSample]]
    happened: list[PastEvent]
    commands: int
    trades: int
    fees_cents: int
    log_hash: str
    trades_hash: str


def encoded(match: Match) -> bytes:
    """A match as JSON in one form."""
    return msgspec.json.encode(match, order="sorted")


def decoded(text: bytes) -> Match:
    """A match of its JSON; raises msgspec.ValidationError, msgspec.DecodeError."""
    return msgspec.json.decode(text, type=Match)


def hash_of(match: Match) -> str:
    """SHA-256 of all that is in a match, but for the tracebacks, as hexadecimal digits."""
    return hashlib.sha256(encoded(msgspec.structs.replace(match, bots=[_bare(bot) for bot in match.bots]))).hexdigest()


def ledger_hash(match: Match) -> str:
    """SHA-256 of what every account ends with, as hexadecimal digits."""
    ledger = {bot.account: (bot.cash_cents, bot.shares) for bot in match.bots}
    return hashlib.sha256(msgspec.json.encode(ledger, order="sorted")).hexdigest()


def _bare(bot: BotResult) -> BotResult:
    if bot.failure is None:
        return bot
    return msgspec.structs.replace(bot, failure=msgspec.structs.replace(bot.failure, traceback=""))
