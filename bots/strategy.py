"""What a strategy is: it is told what happens, decides, and orders. Clock, randomness and the exchange are given to it.

A strategy holds no connection and reads no clock, so a test runs it on a desk of its own with a seeded generator
and sees exactly what it would do.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from bots.contract import Accepted, LimitOrder, MarketOrder, Order, OrderState, Price, Report, Security, Side
from bots.errors import Problem

SIDES: tuple[Side, Side] = ("buy", "sell")


class Desk(Protocol):
    """Where a strategy's orders go; the client of the exchange is one."""

    def place(self, order: Order) -> Accepted:
        """Send an order."""

    def cancel(self, security_id: str, order_id: int) -> Accepted:
        """Cancel an order."""

    def open_orders(self, security_id: str | None = None) -> list[OrderState]:
        """The open orders, newest first."""


def option(default: Any, meaning: str) -> Any:
    """A field of a strategy that is set from the command line; `meaning` names its unit."""
    return field(default=default, metadata={"meaning": meaning})


@dataclass
class Strategy:
    """A trader in one security. Subclasses override what they care for; one thread calls, one call at a time.

    The docstring of a subclass and its `option` fields are what the command line shows.
    """

    name: ClassVar[str]

    desk: Desk = field(init=False, repr=False)
    security: Security = field(init=False)
    rng: random.Random = field(init=False, repr=False)
    tally: Counter[str] = field(init=False, repr=False, default_factory=Counter)

    def take_seat(self, desk: Desk, security: Security, rng: random.Random) -> None:
        """Give the strategy what it works with; called once, before everything else."""
        self.desk = desk
        self.security = security
        self.rng = rng

    # -- what happens ------------------------------------------------------------------------------------------

    def interval_s(self) -> float | None:
        """Time between two calls of on_timer [s]; 0 for as fast as it goes, None for never."""
        return None

    def on_start(self) -> None:
        """The exchange answers, and nothing has been ordered yet."""

    def on_timer(self, now_s: float) -> None:
        """Another interval has passed; `now_s` counts seconds from the bot's start."""

    def on_price(self, price: Price) -> None:
        """The best prices have changed; only the newest is told."""

    def on_report(self, report: Report) -> None:
        """Something has become of an order of this client's."""

    # -- what it can do ----------------------------------------------------------------------------------------

    def buy(self, quantity: int, price: float | Decimal | None = None) -> int:
        """Buy shares at a limit [dollars], which is put on the nearest tick, or at the market; the order's id."""
        return self.order("buy", quantity, price)

    def sell(self, quantity: int, price: float | Decimal | None = None) -> int:
        """Sell shares at a limit [dollars], which is put on the nearest tick, or at the market; the order's id."""
        return self.order("sell", quantity, price)

    def order(self, side: Side, quantity: int, price: float | Decimal | None = None) -> int:
        """Buy or sell; raises what the desk raises."""
        security_id = self.security.security_id
        order: Order
        if price is None:
            order = MarketOrder(security_id=security_id, side=side, quantity=quantity)
        else:
            limit = self.security.nearest(price)
            order = LimitOrder(security_id=security_id, side=side, quantity=quantity, price=limit)
        order_id = self.desk.place(order).order_id
        self.tally["orders"] += 1
        return order_id

    def cancel(self, order_id: int) -> None:
        """Cancel an order of one's own; when it is filled meanwhile, nothing happens."""
        try:
            self.desk.cancel(self.security.security_id, order_id)
        except Problem as problem:
            if problem.status != 404:  # there is nothing left of it
                raise
        self.tally["cancels"] += 1
