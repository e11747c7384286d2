"""What the exchange answers to orders, and what it says of them afterwards."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from bots.contract.requests import Side

OrderStatus = Literal["pending", "new", "partially_filled", "filled", "cancelled", "rejected"]
OPEN: frozenset[OrderStatus] = frozenset({"pending", "new", "partially_filled"})


class Accepted(Struct, frozen=True, kw_only=True):
    """The exchange has the request safely; what became of it stands in its reports."""

    order_id: int
    client_order_id: str | None = None
    duplicate: bool = False


class MassCancelled(Struct, frozen=True, kw_only=True):
    """The exchange has a mass cancel safely: one command for each shard concerned."""

    client_id: str
    security_id: str | None = None
    side: Side | None = None
    command_ids: list[int] = []


class OrderState(Struct, frozen=True, kw_only=True):
    """An order as the exchange sees it now; quantity and price as they are after replacements."""

    order_id: int
    client_id: str
    security_id: str
    type: str
    side: Side
    quantity: int
    filled_quantity: int
    status: OrderStatus
    price: Decimal | None = None
    stop_price: Decimal | None = None
    display_quantity: int | None = None
    time_in_force: str = "gtc"
    post_only: bool = False
    average_price: Decimal | None = None
    client_order_id: str | None = None
    reason: str | None = None
    created_at: str | None = None
    updated_at: str | None = None

    @property
    def open_quantity(self) -> int:
        """Shares that may still trade."""
        return self.quantity - self.filled_quantity if self.status in OPEN else 0


class SettledFill(Struct, frozen=True, kw_only=True):
    """A settled trade as one of its sides sees it; `fee` is below zero where it is a rebate [dollars]."""

    trade_id: str
    order_id: int
    client_id: str
    security_id: str
    side: Side
    quantity: int
    price: Decimal
    fee: Decimal
    timestamp: str | None = None
    settled_at: str | None = None


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
    timestamp: str | None = None
