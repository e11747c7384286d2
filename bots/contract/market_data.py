"""Public market data. Prices are exact decimals in dollars per share."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from bots.contract.requests import Side

Interval = Literal["1s", "1m", "5m", "1h"]
Phase = Literal["closed", "auction", "continuous", "halted", "settled"]
PhaseCause = Literal["admin", "schedule", "volatility"]

# How far a market order may trade from the last price, where the exchange does not serve it [fraction].
DEFAULT_BAND = Decimal("0.10")
_NUMBERS = (float, Decimal, int)


class Security(Struct, frozen=True, kw_only=True):
    """A listed security and the prices at which it may be ordered.

    maker_fee, taker_fee  in basis points, negative for a rebate
    market_order_band     how far a market order may trade from the last price [fraction]
    band                  how far an order may trade from the last trade before an auction begins [fraction]
    phase_ends_at         when the phase is due to end; None if that is open
    """

    security_id: str
    tick: Decimal
    min_price: Decimal
    max_price: Decimal
    halted: bool = False
    issued_shares: int | None = None
    maker_fee: Decimal = Decimal(0)
    taker_fee: Decimal = Decimal(0)
    market_order_band: Decimal | None = None
    band: Decimal | None = None
    phase: Phase = "continuous"
    phase_cause: PhaseCause | None = None
    phase_ends_at: str | None = None
    reference_price: Decimal | None = None

    def nearest(self, price: float | Decimal) -> Decimal:
        """Round any number to the nearest allowed price: on the tick, between the lowest and the highest."""
        if not isinstance(price, _NUMBERS):
            price = Decimal(price)  # from its digits, or an exception that says why not
        # Fractions of integers are exact, and faster than decimals of fifty digits.
        numerator, denominator = price.as_integer_ratio()
        per_tick, per_dollar = self.tick.as_integer_ratio()
        denominator *= per_tick
        ticks, rest = divmod(numerator * per_dollar, denominator)
        if 2 * rest > denominator or (2 * rest == denominator and ticks % 2):
            ticks += 1
        return min(max(ticks * self.tick, self.min_price), self.max_price)

    def collar(self, reference: Decimal) -> Decimal:
        """Return the highest price at which an order without a limit buys, given the last or its stop price."""
        served = self.band if self.market_order_band is None else self.market_order_band
        highest = reference * (1 + (DEFAULT_BAND if served is None else served))
        return min(highest, self.max_price) // self.tick * self.tick


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


class PhaseChange(Struct, frozen=True, kw_only=True):
    """A security has entered a phase, or its phase has another cause or end; an open end is None."""

    phase: Phase
    phase_cause: PhaseCause | None = None
    phase_ends_at: str | None = None
    security_id: str = ""
    timestamp: str | None = None


class Auction(Struct, frozen=True, kw_only=True):
    """The result that a security's auction would have if it ended now; `price` is None if nothing would trade.

    surplus  shares that the larger side, `surplus_side`, would have left at this price
    """

    price: Decimal | None
    volume: int
    surplus: int = 0
    surplus_side: Side | None = None
    phase: Phase = "auction"
    ends_at: str | None = None
    security_id: str = ""


class NewsItem(Struct, frozen=True, kw_only=True):
    """A message of the exchange to all clients, about one security or none."""

    news_id: int | str
    headline: str
    body: str | None = None
    security_id: str | None = None
    timestamp: str | None = None


class Trade(Struct, frozen=True, kw_only=True):
    """A trade as it is published; `sequence` counts a security's trades from 1, an auction's trade has no aggressor."""

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
