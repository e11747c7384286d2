"""Shapes of responses about the market: securities, prices, books, trades, standings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema

from api.wire.answers_schema.common import (
    Answer,
    BasisPoints,
    Count,
    Dollars,
    Fraction,
    Number,
    Time,
)
from tasks.messages import PhaseCause, Side
from tasks.shared.rules.securities import SecurityPhase


class Security(Answer):
    """A listed security."""

    security_id: str
    tick: Dollars
    min_price: Dollars
    max_price: Dollars
    issued_shares: Number
    halted: bool
    maker_fee: BasisPoints
    taker_fee: BasisPoints
    phase: SecurityPhase
    phase_cause: PhaseCause | None
    phase_ends_at: Time | None
    reference_price: Dollars
    band: Fraction | None


class Price(Answer):
    """Best and last prices; null where there is no price."""

    security_id: str
    bid: Dollars | None
    ask: Dollars | None
    last: Dollars | None
    timestamp: Time | None


Level = Annotated[
    tuple[Dollars, Number, Number],
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 3,
            "maxItems": 3,
            "description": "price, quantity and number of orders",
        }
    ),
]


class Book(Answer):
    """An order book, best prices first."""

    security_id: str
    sequence: Count
    bids: list[Level]
    asks: list[Level]


class Trade(Answer):
    """A trade as the public sees it."""

    trade_id: str
    security_id: str
    price: Dollars
    quantity: Number
    aggressor_side: Side | None
    sequence: Number
    timestamp: Time


class Candle(Answer):
    """The trades of an interval."""

    start: Time
    open: Dollars
    high: Dollars
    low: Dollars
    close: Dollars
    volume: Number


class Standing(Answer):
    """A client's rank by equity."""

    rank: Number
    client_id: str
    equity: Dollars
    balance: Dollars
    holdings: dict[str, Count]
    trades: Count
    return_: Annotated[Fraction | None, Field(alias="return")]
    versus_holding: Fraction | None


class Curves(Answer):
    """The equity of clients over time: for each client, one value for each of the times."""

    times: list[Time]
    equity: dict[str, list[Dollars | None]]
    returns: dict[str, list[Fraction | None]]
