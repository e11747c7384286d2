"""What a strategy is: it is told what happens, decides, and orders. Clock, randomness and the exchange are given to it.

A strategy holds no connection and reads no clock, so it runs on the exchange, in the simulated market and in a test
as the same class, and with the same seed it decides the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Literal, get_args

from bots.contract import (
    Book,
    LimitOrder,
    MarketOrder,
    Order,
    Price,
    Security,
    Side,
    StopLimitOrder,
    StopOrder,
    TimeInForce,
    Trade,
)
from bots.desk import Desk
from bots.working_order import Fill, WorkingOrder

SIDES: tuple[Side, Side] = get_args(Side)

Channel = Literal["price", "book", "trades"]
_CALLBACKS: dict[Channel, str] = {"price": "on_price", "book": "on_book", "trades": "on_trade"}


def option(default: Any, meaning: str) -> Any:
    """A field of a strategy that is set from the command line; `meaning` names its unit."""
    return field(default=default, metadata={"meaning": meaning})


@dataclass
class Strategy:
    """A trader. Subclasses override what they care for; one thread calls, one call at a time.

    The docstring of a subclass and its `option` fields are what the command line shows. Prices are decimals in
    dollars; where one is given, any number will do, and it is put on the nearest tick.
    """

    name: ClassVar[str] = ""
    # What it wants to know beside what it is told: one that looks at book() without on_book names "book" here.
    watches: ClassVar[frozenset[Channel]] = frozenset()

    desk: Desk = field(init=False, repr=False, compare=False)

    def take_seat(self, desk: Desk) -> None:
        """Give the strategy what it works with; called once, before everything else."""
        self.desk = desk

    @classmethod
    def channels(cls) -> frozenset[Channel]:
        """What has to be brought to this strategy of each security."""
        return cls.watches | {
            channel
            for channel, callback in _CALLBACKS.items()
            if getattr(cls, callback) is not getattr(Strategy, callback)
        }

    # -- what happens ------------------------------------------------------------------------------------------

    def interval_s(self) -> float | None:
        """Time between two calls of on_timer [s]; 0 for as fast as it goes, None for never."""
        return None

    def on_start(self) -> None:
        """The exchange answers, and nothing has been ordered yet in this life."""

    def on_timer(self, now: float) -> None:
        """Another interval has passed; `now` counts seconds from the start."""

    def on_price(self, price: Price) -> None:
        """The best prices of a security have changed; only the newest is told."""

    def on_book(self, book: Book) -> None:
        """The book of a security has changed; only the newest is told."""

    def on_trade(self, trade: Trade) -> None:
        """Somebody has traded."""

    def on_order(self, order: WorkingOrder) -> None:
        """An order of one's own was confirmed or replaced, has ended, or is as it was since a change was refused."""

    def on_fill(self, fill: Fill) -> None:
        """An order of one's own has traded; when that was its end, on_order comes next."""

    def on_stop(self) -> None:
        """It is over: the last moment to cancel what should not stay in the market."""

    # -- what it can do: each raises what the venue raises, Problem or Unavailable -------------------------------

    def buy(self, quantity: int, price: float | Decimal | None = None, **terms: Any) -> int:
        """Buy shares at a limit [dollars], or without one at the market; the order's id. `terms` as of `order`."""
        return self.order("buy", quantity, price, **terms)

    def sell(self, quantity: int, price: float | Decimal | None = None, **terms: Any) -> int:
        """Sell shares at a limit [dollars], or without one at the market; the order's id. `terms` as of `order`."""
        return self.order("sell", quantity, price, **terms)

    def order(
        self,
        side: Side,
        quantity: int,
        price: float | Decimal | None = None,
        *,
        security_id: str | None = None,
        time_in_force: TimeInForce = "gtc",
        post_only: bool = False,
        display_quantity: int | None = None,
        stop_price: float | Decimal | None = None,
    ) -> int:
        """Buy or sell; the order's id.

        security_id       the strategy's own without it
        time_in_force     of a limit: gtc, ioc or fok
        post_only         the order is rejected when it would trade at once
        display_quantity  an iceberg, which shows so many shares at a time
        stop_price        the order waits until a trade prints there or beyond [dollars]
        """
        security = self.security if security_id is None else self.desk.securities[security_id]
        name, stop = security.security_id, None if stop_price is None else security.nearest(stop_price)
        if price is None:
            order: Order = (
                MarketOrder(security_id=name, side=side, quantity=quantity)
                if stop is None
                else StopOrder(security_id=name, side=side, quantity=quantity, stop_price=stop)
            )
        elif stop is None:
            order = LimitOrder(
                security_id=name,
                side=side,
                quantity=quantity,
                price=security.nearest(price),
                time_in_force=time_in_force,
                post_only=post_only,
                display_quantity=display_quantity,
            )
        else:
            order = StopLimitOrder(
                security_id=name,
                side=side,
                quantity=quantity,
                stop_price=stop,
                price=security.nearest(price),
                time_in_force=time_in_force,
                post_only=post_only,
            )
        return self.desk.place(order)

    def cancel(self, order_id: int) -> None:
        """Cancel an order of one's own; when it is closed already, nothing happens."""
        self.desk.cancel(order_id)

    def cancel_all(self, security_id: str | None = None) -> None:
        """Cancel all of one's own orders, of one security or of all."""
        self.desk.cancel_all(security_id)

    def replace(self, order_id: int, quantity: int | None = None, price: float | Decimal | None = None) -> None:
        """Give an open order a new total, a new limit [dollars], or both; a smaller total alone keeps its place.

        raises  LookupError  the order is not open
        """
        order = self.open_orders.get(order_id)
        security = self.security if order is None else self.desk.securities[order.security_id]
        self.desk.replace(order_id, quantity=quantity, price=None if price is None else security.nearest(price))

    def log(self, text: str, **fields: object) -> None:
        """Write something down; the live runner puts it in the log, the league in the events of the match."""
        self.desk.log(text, **fields)

    # -- what it has and knows ---------------------------------------------------------------------------------

    @property
    def securities(self) -> Mapping[str, Security]:
        """What it may trade in, by id."""
        return self.desk.securities

    @property
    def security(self) -> Security:
        """The first of them: its own, where none is named."""
        return next(iter(self.desk.securities.values()))

    def position(self, security_id: str | None = None) -> int:
        """Shares that it has, those that its open sell orders may sell included."""
        return self.desk.position(security_id or self.security.security_id)

    def available(self, security_id: str | None = None) -> int:
        """Shares that it may still sell: those that no open sell order is about."""
        return self.desk.available(security_id or self.security.security_id)

    def price(self, security_id: str | None = None) -> Price:
        """Best and last prices, None in it where there is none; for who hears or watches prices."""
        return self.desk.price(security_id or self.security.security_id)

    def book(self, security_id: str | None = None) -> Book:
        """The best levels of both sides; for who hears or watches the book."""
        return self.desk.book(security_id or self.security.security_id)

    @property
    def cash(self) -> Decimal:
        """Dollars that may be spent: the balance without what open buy orders may cost."""
        return self.desk.cash

    @property
    def equity(self) -> Decimal:
        """Dollars and all shares at their last price."""
        return self.desk.equity

    @property
    def open_orders(self) -> Mapping[int, WorkingOrder]:
        """Its orders that may still trade, by id, oldest first; those being cancelled say so."""
        return self.desk.open_orders

    @property
    def now(self) -> float:
        """Seconds from the start."""
        return self.desk.now_s

    @property
    def rng(self) -> random.Random:
        """The source of chance; one seed gives one run."""
        return self.desk.rng
