"""The outcome of a match as plain values: cash in cents, shares, times in seconds or microseconds from the start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bots.simulated.player import Failure, Note
from tasks.messages import Side


class Fill(NamedTuple):
    """A trade from one side's view; the fee is negative for a rebate [cents], trades are numbered from 1."""

    time_us: int
    security_id: str
    order_id: int
    side: Side
    quantity: int
    price_cents: int
    is_maker: bool
    fee_cents: int
    trade: int


class Print(NamedTuple):
    """A trade as published to all clients; an auction's trade has no aggressor."""

    time_us: int
    security_id: str
    price_cents: int
    quantity: int
    aggressor_side: Side | None


class MarketSample(NamedTuple):
    """A security at a time: best prices with their shares, last price, and shares traded since the start."""

    time_s: float
    security_id: str
    bid_cents: int | None
    bid_quantity: int
    ask_cents: int | None
    ask_quantity: int
    last_cents: int
    volume: int


class AccountSample(NamedTuple):
    """An account at a time; equity values shares at their last price."""

    time_s: float
    equity_cents: int
    balance_cents: int
    shares: Mapping[str, int]


@dataclass(slots=True)
class BotOutcome:
    """One account: its opening, its end, and its activity.

    requests  requests that reached the exchange: orders, cancels, replaces, mass_cancels
    denials   orders and requests that order entry or the engine denied or closed, by reason; the bot itself requested
              those with the reason `cancelled`
    rejected  the denied orders that never entered the market
    closed    the closed orders that had been in the market and did not fill completely
    refusals  requests refused before they reached the exchange, by code
    fund_cents  what the default fund has paid for its buy-ins [cents]
    samples   the account over time, including the end
    failure   the reason for its disqualification; None if it played to the end
    """

    client_id: str
    strategy: str
    opening_cash_cents: int
    opening_shares: Mapping[str, int]
    cash_cents: int = 0
    held_cents: int = 0
    shares: Mapping[str, int] = field(default_factory=dict)
    equity_cents: int = 0
    open_orders: int = 0
    fund_cents: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    denials: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    fills: list[Fill] = field(default_factory=list)
    samples: list[AccountSample] = field(default_factory=list)
    notes: Sequence[Note] = ()
    failure: Failure | None = None


@dataclass(slots=True)
class Outcome:
    """The outcome of a match.

    bots         by client id, in the order of their seats
    log_hash     SHA-256 of the commands in the order log, one line each, as hexadecimal digits
    trades_hash  SHA-256 of the trades, in the same form
    """

    seed: int
    duration_s: float
    commands: int
    trades: int
    fees_cents: int
    log_hash: str
    trades_hash: str
    bots: dict[str, BotOutcome]
    market: list[MarketSample]
    prints: list[Print]
    last_cents: Mapping[str, int]
