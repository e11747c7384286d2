"""A desk that writes down what a strategy orders, and seats a strategy at it."""

from __future__ import annotations

import random
from decimal import Decimal

from bots.contract import Accepted, Order, OrderState, Security
from bots.strategy import Strategy

MSFT = Security(security_id="MSFT", tick=Decimal("0.01"), min_price=Decimal("0.01"), max_price=Decimal("10000.00"))


class RecordingDesk:
    """Accepts everything, with the order ids 1, 2, 3, ..."""

    def __init__(self, open_orders: list[OrderState] | None = None) -> None:
        self.orders: list[Order] = []
        self.cancelled: list[int] = []
        self._open = open_orders or []

    def place(self, order: Order) -> Accepted:
        self.orders.append(order)
        return Accepted(order_id=len(self.orders))

    def cancel(self, security_id: str, order_id: int) -> Accepted:
        self.cancelled.append(order_id)
        return Accepted(order_id=order_id)

    def open_orders(self, security_id: str | None = None) -> list[OrderState]:
        return self._open


def seat(strategy: Strategy, *, seed: int = 1, desk: RecordingDesk | None = None) -> RecordingDesk:
    """Give a strategy a desk, MSFT and a seeded generator, and start it."""
    desk = desk or RecordingDesk()
    strategy.take_seat(desk, MSFT, random.Random(seed))
    strategy.on_start()
    return desk


def orders_of(strategy: Strategy, *, times: int, seed: int = 1) -> list[Order]:
    """What a strategy orders when its timer goes off so many times."""
    desk = seat(strategy, seed=seed)
    interval_s = strategy.interval_s() or 0.0
    for n in range(times):
        strategy.on_timer((n + 1) * interval_s)
    return desk.orders
