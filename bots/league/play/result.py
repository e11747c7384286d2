"""The result of a match as plain values: cents, shares and seconds, nothing that depends on the machine.

Simulated and live matches have the same form, and the league computes everything from these values. They are stored as
JSON; the hash of a match is that of its JSON with sorted keys.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec
from msgspec import Struct

Side = Literal["buy", "sell"]


class Fill(Struct, frozen=True, array_like=True):
    """A trade from one side's view; the fee is negative for a rebate [cents]. `trade` is the same for both sides."""

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
    """A security at a time: best prices with their shares, last price, and the shares traded until then."""

    time_s: float
    bid_cents: int | None
    bid_quantity: int
    ask_cents: int | None
    ask_quantity: int
    last_cents: int
    volume: int


class Failure(Struct, frozen=True, kw_only=True):
    """Why and when a bot was disqualified.

    kind       `lost`: its connection or its process; `crashed`: it ended its own process, broke the rules of its pipe,
               or, where it runs with --trust, ended the process of the match, which was then played without it
    traceback  for people: it names files of the machine, so the hash excludes it
    """

    kind: Literal["raised", "hung", "flooded", "lost", "crashed"]
    time_s: float
    error: str
    traceback: str


class Note(Struct, frozen=True, array_like=True):
    """A line that a strategy has logged."""

    time_s: float
    text: str
    fields: dict[str, str]


class BotResult(Struct, frozen=True, kw_only=True):
    """One bot's activity in a match and its final account.

    name       its name in the report
    orders     orders that it sent, including those that the exchange refused
    rejected   orders that never entered the market, by reason
    closed     orders that ended without filling completely, by reason
    opening    shares at the start, by security
    shares     shares at the end, by security
    house      whether it is part of the market and not of the competition
    fund_cents what the default fund has paid for its buy-ins
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
    house: bool = False
    fund_cents: int = 0


class PastEvent(Struct, frozen=True, kw_only=True):
    """A scheduled event that has happened, described in words."""

    time_s: float
    security_id: str
    text: str


class Match(Struct, frozen=True, kw_only=True):
    """The result of a match.

    securities   in the order of all lists by security
    opening      opening price of each security [cents]
    last         closing price of each security [cents]
    market       samples of each security
    commands     number of commands in the log
    log_hash     SHA-256 of the commands' lines
    trades_hash  SHA-256 of the trades' lines, in the order of the trades
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
    """Encode a match as JSON with sorted keys."""
    return msgspec.json.encode(match, order="sorted")


def decoded(text: bytes) -> Match:
    """Decode a match. Raises msgspec.ValidationError, msgspec.DecodeError."""
    return msgspec.json.decode(text, type=Match)


def hash_of(match: Match) -> str:
    """Return the SHA-256 of a match without its tracebacks, as hexadecimal digits."""
    return hashlib.sha256(encoded(msgspec.structs.replace(match, bots=[_bare(bot) for bot in match.bots]))).hexdigest()


def ledger_hash(match: Match) -> str:
    """Return the SHA-256 of all final accounts, as hexadecimal digits."""
    ledger = {bot.account: (bot.cash_cents, bot.shares) for bot in match.bots}
    return hashlib.sha256(msgspec.json.encode(ledger, order="sorted")).hexdigest()


def _bare(bot: BotResult) -> BotResult:
    if bot.failure is None:
        return bot
    return msgspec.structs.replace(bot, failure=msgspec.structs.replace(bot.failure, traceback=""))
