"""The types of all requests and answers between a client and the exchange.

Prices and cash are exact decimals in dollars: they are read from the digits of the JSON and written as strings, and are
never binary fractions. Fields that the exchange adds later are ignored.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct

from bots.contract.accounts import (
    Account,
    AccountState,
    Amounts,
    Balance,
    Holding,
    Key,
    OpenedAccount,
    Posting,
    Standing,
    Statement,
    Transferred,
)
from bots.contract.market_data import (
    Auction,
    Book,
    Candle,
    Interval,
    Level,
    NewsItem,
    Phase,
    PhaseCause,
    PhaseChange,
    Price,
    Security,
    Trade,
)
from bots.contract.orders import OPEN, Accepted, MassCancelled, OrderState, OrderStatus, Report, SettledFill
from bots.contract.problems import FieldFault, ProblemDetails
from bots.contract.requests import (
    CancelOrder,
    LimitOrder,
    MarketOrder,
    Order,
    ReplaceOrder,
    Request,
    Side,
    StopLimitOrder,
    StopOrder,
    TimeInForce,
)

Row = TypeVar("Row")


class Page(Struct, Generic[Row], frozen=True, kw_only=True):
    """A page of rows, newest first; `next_cursor` is None on the last page."""

    data: list[Row]
    next_cursor: str | None = None


__all__ = [
    "OPEN",
    "Accepted",
    "Account",
    "AccountState",
    "Amounts",
    "Auction",
    "Balance",
    "Book",
    "CancelOrder",
    "Candle",
    "FieldFault",
    "Holding",
    "Interval",
    "Key",
    "Level",
    "LimitOrder",
    "MarketOrder",
    "MassCancelled",
    "NewsItem",
    "OpenedAccount",
    "Order",
    "OrderState",
    "OrderStatus",
    "Page",
    "Phase",
    "PhaseCause",
    "PhaseChange",
    "Posting",
    "Price",
    "ProblemDetails",
    "ReplaceOrder",
    "Report",
    "Request",
    "Security",
    "SettledFill",
    "Side",
    "Standing",
    "Statement",
    "StopLimitOrder",
    "StopOrder",
    "TimeInForce",
    "Trade",
    "Transferred",
]
