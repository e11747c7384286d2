"""Public market data. Prices are exact decimals in dollars per share."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from msgspec import Struct

from bots.contract.requests import Side

Interval = Literal["1s", "1m", "5m", "1h"]


class Security(Struct, frozen=True, kw_only=True):
    """A listed security and the prices at which it may be ordered; fees in basis points, negative for a rebate."""

    security_id: str
    tick: Decimal
    min_price: Decimal
    max_price: Decimal
    halted: bool = False
    issued_shares: int | None = None
    maker_fee: Decimal = Decimal(0)
    taker_fee: Decimal = Decimal(0)

    def nearest(self, price: float | Decimal) -> Decimal:
        """Round any number to the nearest allowed price: on the tick, between the lowest and the highest."""
        ticks = (Decimal(price) / self.tick).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
        return min(max(ticks * self.tick, self.min_price), self.max_price)


class Price(Struct, frozen=True, kw_only=True):
    """Best bid, best ask and last price of a security, None where one does not exist.

    `sequence` counts the updates of a security's price stream; it is None in the answer to a GET.
    """

    security_id: str
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None = None
    timestamp: str | None = None
    sequence: int | None = None

    @property
    def mid(self) -> Decimal | None:
        """The midpoint of best bid and best ask; None if a side is empty."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2


class Level(Struct, frozen=True, array_like=True):
    """A price in the book, with the number of shares and orders resting there."""

    price: Decimal
    quantity: int
    orders: int


class Book(Struct, frozen=True, kw_only=True):
    """A security's book, best prices first."""

    security_id: str
    sequence: int
    bids: list[Level]
    asks: list[Level]


class Trade(Struct, frozen=True, kw_only=True):
    """A trade as it is published; `sequence` counts a security's trades from 1."""

    trade_id: str
    price: Decimal
    quantity: int
    aggressor_side: Side | None  # None of a trade in an auction
    sequence: int
    security_id: str = ""
    timestamp: str | None = None


class Candle(Struct, frozen=True, kw_only=True):
    """The trades of an interval."""

    start: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
