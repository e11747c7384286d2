"""What a match ends with, as values: money in cents, shares, times in seconds or microseconds from the start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bots.simulated.seat import Failure, Note
from tasks.messages import Side


class Fill(NamedTuple):
    """A trade as one of its sides sees it; the fee is negative for a rebate [cents], trades are numbered from 1."""

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
    """A trade as everybody sees it."""

    time_us: int
    security_id: str
    price_cents: int
    quantity: int
    aggressor_side: Side


class MarketSample(NamedTuple):
    """A security at a time: the best prices and the shares there, what was traded last and how much since the start."""

    time_s: float
    security_id: str
    bid_cents: int | None
    bid_quantity: int
    ask_cents: int | None
    ask_quantity: int
    last_cents: int
    volume: int


class AccountSample(NamedTuple):
    """An account at a time; the equity values shares at their last price."""

    time_s: float
    equity_cents: int
    balance_cents: int
    shares: Mapping[str, int]


@dataclass(slots=True)
class BotOutcome:
    """One account: what it began with, has at the end, and has done between.

    requests  what reached the exchange: orders, cancels, replaces, mass_cancels
    denials   what order entry or the engine refused or closed, by reason; `cancelled` is what it asked for
    rejected  the orders among them that were never in the market
    closed    the orders among them that were, and ended without having traded all that they were about
    refusals  what was refused at the door, by code
    samples   the account over time, the end among them
    failure   why it is out; None of one that played to the end
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
    """A match that was played.

    bots         by client id, in the order in which they were seated
    log_hash     SHA-256 of the commands in the order log, one line each, as hexadecimal digits
    trades_hash  likewise of the trades
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
