"""What goes over the wire between a client and the exchange, as types.

Prices and cash are exact decimals in dollars: they are read from the digits of the JSON and written as strings, so
that no binary fraction ever stands between. Fields that the exchange adds later are ignored.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from msgspec import Struct

Side = Literal["buy", "sell"]


# -- requests ----------------------------------------------------------------------------------------------------


class LimitOrder(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="limit"):
    """An order that trades at `price` [dollars a share] or better."""

    security_id: str
    side: Side
    quantity: int
    price: Decimal
    time_in_force: Literal["gtc", "ioc", "fok"] = "gtc"
    post_only: bool = False
    client_order_id: str | None = None


class MarketOrder(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="market"):
    """An order that trades at once at what the book offers; its rest is cancelled."""

    security_id: str
    side: Side
    quantity: int
    client_order_id: str | None = None


class CancelOrder(Struct, frozen=True, kw_only=True, tag_field="type", tag="cancel"):
    """Take what is open of an order out of the book."""

    security_id: str
    order_id: int


Order = LimitOrder | MarketOrder
Request = LimitOrder | MarketOrder | CancelOrder


# -- answers -----------------------------------------------------------------------------------------------------


class Accepted(Struct, frozen=True, kw_only=True):
    """The exchange has the request safely; what became of it stands in its reports."""

    order_id: int
    client_order_id: str | None = None
    duplicate: bool = False


class FieldFault(Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a request; `pointer` is a JSON pointer into it."""

    pointer: str = ""
    detail: str = ""


class ProblemDetails(Struct, frozen=True, kw_only=True):
    """An answer of application/problem+json (RFC 9457); `code` is the part meant for programs."""

    status: int
    title: str = ""
    detail: str = ""
    code: str = ""
    errors: list[FieldFault] = []
    request_id: str | None = None


class OrderState(Struct, frozen=True, kw_only=True):
    """An order as the exchange sees it now."""

    order_id: int
    client_id: str
    security_id: str
    type: str
    side: Side
    quantity: int
    filled_quantity: int
    status: Literal["pending", "new", "partially_filled", "filled", "cancelled", "rejected"]
    price: Decimal | None = None
    average_price: Decimal | None = None
    client_order_id: str | None = None
    reason: str | None = None
    created_at: str | None = None
    updated_at: str | None = None

    @property
    def open_quantity(self) -> int:
        """Shares that may still trade."""
        return self.quantity - self.filled_quantity if self.status in {"pending", "new", "partially_filled"} else 0


class OrderPage(Struct, frozen=True, kw_only=True):
    """Orders, newest first, and the cursor of the next page; None on the last one."""

    data: list[OrderState]
    next_cursor: str | None = None


class Holding(Struct, frozen=True, kw_only=True):
    """Shares of one security that a client has; `held` ones back its open sell orders."""

    security_id: str
    shares: int
    held: int
    available: int


class Balance(Struct, frozen=True, kw_only=True):
    """A client's cash [dollars]; `held` backs its open buy orders."""

    client_id: str
    balance: Decimal
    held: Decimal
    available: Decimal


class Account(Struct, frozen=True, kw_only=True):
    """A client's cash and shares; `equity` values the shares at their last price [dollars]."""

    client_id: str
    balance: Decimal
    held: Decimal
    available: Decimal
    equity: Decimal
    holdings: list[Holding]


class OpenedAccount(Struct, frozen=True, kw_only=True):
    """A new account and its key, which is shown this once."""

    client_id: str
    balance: Decimal
    api_key: str


class Security(Struct, frozen=True, kw_only=True):
    """A listed security and the prices at which it may be ordered [dollars a share]."""

    security_id: str
    tick: Decimal
    min_price: Decimal
    max_price: Decimal
    halted: bool = False

    def nearest(self, price: float | Decimal) -> Decimal:
        """The price on the tick grid and inside the band that is nearest to any number."""
        ticks = (Decimal(price) / self.tick).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
        return min(max(ticks * self.tick, self.min_price), self.max_price)


class SecurityList(Struct, frozen=True, kw_only=True):
    """All that is listed."""

    data: list[Security]


class Price(Struct, frozen=True, kw_only=True):
    """Best bid, best ask and last price of a security, None where there is none [dollars a share].

    `sequence` counts the updates of a security's price stream; what is read by GET has none.
    """

    security_id: str
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None = None
    timestamp: str | None = None
    sequence: int | None = None


class Level(Struct, frozen=True, array_like=True):
    """A price in the book, with the shares and the number of orders that wait there."""

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
    """A trade as everybody sees it; `sequence` counts a security's trades from 1."""

    trade_id: str
    price: Decimal
    quantity: int
    aggressor_side: Side
    sequence: int
    timestamp: str | None = None


class TradePage(Struct, frozen=True, kw_only=True):
    """Trades, newest first."""

    data: list[Trade]
    next_cursor: str | None = None


class Report(Struct, frozen=True, kw_only=True):
    """What one stage of the exchange did with an order; `sequence` counts a client's reports without a gap."""

    event_type: Literal["order", "trade", "settlement"]
    status: Literal["confirmed", "denied"]
    order_id: int
    client_id: str
    security_id: str
    side: Side | None = None
    quantity: int | None = None
    price: Decimal | None = None
    reason: str | None = None
    sequence: int | None = None
