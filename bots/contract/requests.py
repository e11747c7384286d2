"""Orders, cancels and replacements as a client sends them.

Prices are exact decimals in dollars, written as strings so that they never become binary fractions.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct

Side = Literal["buy", "sell"]
# Until cancelled, immediately, all or none; until the close, until `expires_at`, or in the next auction only.
TimeInForce = Literal["gtc", "ioc", "fok", "day", "gtd", "auction"]
# A stop order without a limit waits until it is triggered, as `ioc`; a stop order with one in no auction.
TimeOfMarketOrder = Literal["ioc", "auction"]
TimeOfStopOrder = Literal["ioc", "day", "gtd"]
TimeOfStopLimitOrder = Literal["gtc", "ioc", "fok", "day", "gtd"]


class LimitOrder(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="limit"):
    """An order that trades at `price` [dollars per share] or better.

    With `display_quantity` it is an iceberg that shows this many shares at a time. A gtd order needs `expires_at`, a
    time as in RFC 3339.
    """

    security_id: str
    side: Side
    quantity: int
    price: Decimal
    time_in_force: TimeInForce = "gtc"
    post_only: bool = False
    display_quantity: int | None = None
    client_order_id: str | None = None
    expires_at: str | None = None


class MarketOrder(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="market"):
    """An order that trades at once against the book, or in an auction; its remainder is cancelled."""

    security_id: str
    side: Side
    quantity: int
    time_in_force: TimeOfMarketOrder = "ioc"
    client_order_id: str | None = None


class StopOrder(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="stop"):
    """A market order that waits until a trade prints at `stop_price` [dollars per share] or beyond.

    As `ioc` it waits for ever, as `day` until the security closes, as `gtd` until `expires_at`.
    """

    security_id: str
    side: Side
    quantity: int
    stop_price: Decimal
    time_in_force: TimeOfStopOrder = "ioc"
    client_order_id: str | None = None
    expires_at: str | None = None


class StopLimitOrder(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="stop_limit"):
    """A limit order that waits until a trade prints at `stop_price` [dollars per share] or beyond."""

    security_id: str
    side: Side
    quantity: int
    stop_price: Decimal
    price: Decimal
    time_in_force: TimeOfStopLimitOrder = "gtc"
    post_only: bool = False
    client_order_id: str | None = None
    expires_at: str | None = None


class CancelOrder(Struct, frozen=True, kw_only=True, tag_field="type", tag="cancel"):
    """Remove the open part of an order from the book."""

    security_id: str
    order_id: int


class ReplaceOrder(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="replace"):
    """Give an open order a new total (including what is filled), a new price [dollars per share], or both."""

    security_id: str
    order_id: int
    quantity: int | None = None
    price: Decimal | None = None


Order = LimitOrder | MarketOrder | StopOrder | StopLimitOrder
Request = LimitOrder | MarketOrder | StopOrder | StopLimitOrder | CancelOrder | ReplaceOrder
