"""Answers to orders, and what the exchange reports about them afterwards."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from bots.contract.requests import Side

OrderStatus = Literal["pending", "new", "partially_filled", "filled", "cancelled", "rejected"]
OPEN: frozenset[OrderStatus] = frozenset({"pending", "new", "partially_filled"})


class Accepted(Struct, frozen=True, kw_only=True):
    """The exchange has accepted the request; reports say what becomes of it."""

    order_id: int
    client_order_id: str | None = None
    duplicate: bool = False


class MassCancelled(Struct, frozen=True, kw_only=True):
    """The exchange has accepted a mass cancel: one command per shard concerned."""

    client_id: str
    security_id: str | None = None
    side: Side | None = None
    command_ids: list[int] = []


class OrderState(Struct, frozen=True, kw_only=True):
    """The current state of an order; quantity and price include replacements."""

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
    expires_at: str | None = None
    post_only: bool = False
    average_price: Decimal | None = None
    client_order_id: str | None = None
    reason: str | None = None
    detail: str | None = None
    buy_in: bool = False
    created_at: str | None = None
    updated_at: str | None = None

    @property
    def open_quantity(self) -> int:
        """Shares that may still trade."""
        return self.quantity - self.filled_quantity if self.status in OPEN else 0


class SettledFill(Struct, frozen=True, kw_only=True):
    """A settled trade from one side's view; `fee` [dollars] is negative for a rebate."""

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
    """A stage's report about an order; `sequence` numbers a client's reports without gaps."""

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
