"""A venue that records a session's requests, and a session for a strategy under test."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from bots.contract import Book, Level, Order, OrderState, Phase, PhaseChange, Price, Report, Security, Side
from bots.strategy import Strategy
from bots.trading_session import TradingSession


def security(security_id: str, reference_price: str | None = None) -> Security:
    return Security(
        security_id=security_id,
        tick=Decimal("0.01"),
        min_price=Decimal("0.01"),
        max_price=Decimal("10000.00"),
        reference_price=None if reference_price is None else Decimal(reference_price),
    )


MSFT = security("MSFT")


class RecordingVenue:
    """Accepts everything, with the order ids 1, 2, 3, ..."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.cancelled: list[int] = []
        self.mass_cancels: list[str | None] = []
        self.replaced: list[tuple[int, int | None, Decimal | None]] = []

    def place(self, order: Order) -> int:
        self.orders.append(order)
        return len(self.orders)

    def cancel(self, security_id: str, order_id: int) -> None:
        self.cancelled.append(order_id)

    def cancel_all(self, security_id: str | None) -> None:
        self.mass_cancels.append(security_id)

    def replace(self, security_id: str, order_id: int, *, quantity: int | None, price: Decimal | None) -> None:
        self.replaced.append((order_id, quantity, price))


class Harness:
    """A strategy in a session with $10,000 and 1,000 shares of MSFT, as every account of the exchange begins."""

    def __init__(
        self,
        strategy: Strategy,
        *,
        seed: int = 1,
        securities: Iterable[str] = ("MSFT",),
        listed: Iterable[Security] | None = None,
        cash: str = "10000",
        holdings: Mapping[str, int] | None = None,
        open_orders: Iterable[OrderState] = (),
        venue: RecordingVenue | None = None,
    ) -> None:
        self.strategy = strategy
        self.venue = venue or RecordingVenue()
        self.lines: list[tuple[float, str, dict[str, Any]]] = []
        self.now_s = 0.0
        self.session = TradingSession(
            strategy,
            self.venue,
            [security(name) for name in securities] if listed is None else listed,
            random.Random(seed),
            cash=Decimal(cash),
            holdings={"MSFT": 1000} if holdings is None else holdings,
            open_orders=open_orders,
            log=lambda now_s, line, fields: self.lines.append((now_s, line, dict(fields))),
        )
        self.session.start()

    @property
    def orders(self) -> list[Order]:
        return self.venue.orders

    def ticks(self, times: int = 1) -> Harness:
        for _ in range(times):
            self.now_s += self.strategy.interval_s() or 0.0
            self.session.tick(self.now_s)
        return self

    def price(self, bid: str | None, ask: str | None, *, last: str | None = None, security_id: str = "MSFT") -> None:
        prices = (Decimal(text) if text else None for text in (bid, ask, last))
        self.session.deliver(_price(security_id, *prices), self.now_s)

    def book(self, bids: list[tuple[str, int]], asks: list[tuple[str, int]], *, security_id: str = "MSFT") -> None:
        self.session.deliver(
            Book(security_id=security_id, sequence=1, bids=_levels(bids), asks=_levels(asks)), self.now_s
        )

    def phase(self, phase: Phase, *, security_id: str = "MSFT") -> None:
        self.session.deliver(PhaseChange(security_id=security_id, phase=phase), self.now_s)

    def confirm(self, order_id: int) -> None:
        self.report("order", order_id)

    def fill(self, order_id: int, quantity: int, price: str) -> None:
        self.report("trade", order_id, quantity=quantity, price=price)

    def fill_all(self, order_id: int, price: str | None = None) -> None:
        """An order trades as a whole, at its own limit where no price is given."""
        order = self.venue.orders[order_id - 1]
        self.fill(order_id, order.quantity, price or str(order.price))  # type: ignore[union-attr]

    def deny(self, order_id: int, reason: str) -> None:
        self.report("order", order_id, status="denied", reason=reason)

    def report(self, event_type: Any, order_id: int, **more: Any) -> None:
        """A report of an order of the venue, or of one that the test describes."""
        sent = self.venue.orders[order_id - 1] if 0 < order_id <= len(self.venue.orders) else None
        side: Side | None = more.pop("side", sent.side if sent else None)
        price = more.pop("price", None)
        self.session.deliver(
            Report(
                event_type=event_type,
                status=more.pop("status", "confirmed"),
                order_id=order_id,
                client_id="ALICE",
                security_id=sent.security_id if sent else "MSFT",
                side=side,
                quantity=more.pop("quantity", sent.quantity if sent else None),
                price=Decimal(price) if price is not None else None,
                **more,
            ),
            self.now_s,
        )


def _price(security_id: str, bid: Decimal | None, ask: Decimal | None, last: Decimal | None) -> Price:
    return Price(security_id=security_id, bid=bid, ask=ask, last=last)


def _levels(levels: list[tuple[str, int]]) -> list[Level]:
    return [Level(Decimal(price), quantity, 1) for price, quantity in levels]


def orders_of(strategy: Strategy, *, times: int, seed: int = 1) -> list[Order]:
    """Return the orders of a strategy whose timer goes off this many times, with an account that pays for anything."""
    return Harness(strategy, seed=seed, cash="1e12", holdings={"MSFT": 10**9}).ticks(times).orders
