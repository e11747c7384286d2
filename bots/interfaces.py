"""The surroundings of a trading session: the venue of its orders, the events of the market, and a log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Protocol

from bots.contract import Auction, Book, NewsItem, Order, PhaseChange, Price, Report, Trade

Event = Price | Book | Trade | Report | PhaseChange | Auction | NewsItem
Log = Callable[[float, str, Mapping[str, object]], None]


class Venue(Protocol):
    """The destination of orders. A refused request raises Problem, an unreachable venue Unavailable."""

    def place(self, order: Order) -> int:
        """Send an order and return its id."""

    def cancel(self, security_id: str, order_id: int) -> None:
        """Request the cancellation of an order."""

    def cancel_all(self, security_id: str | None) -> None:
        """Request the cancellation of all of the bot's orders in one security, or in all of them."""

    def replace(self, security_id: str, order_id: int, *, quantity: int | None, price: Decimal | None) -> None:
        """Request new terms for an order: a new total, a new limit [dollars per share], or both."""


def no_log(now_s: float, text: str, fields: Mapping[str, object]) -> None:
    """Discard what a strategy logs."""
