"""The base class of all strategies. A strategy receives events and places orders; clock and randomness are passed in.

A strategy holds no connection and reads no clock, so the same class runs on the exchange, in the simulated market and
in a test, and the same seed leads to the same decisions.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Literal, get_args

from bots.callbacks import Callbacks
from bots.contract import (
    Book,
    LimitOrder,
    MarketOrder,
    Order,
    Phase,
    Price,
    Security,
    Side,
    StopLimitOrder,
    StopOrder,
    TimeInForce,
)
from bots.trading_session import TradingSession
from bots.working_order import WorkingOrder

SIDES: tuple[Side, Side] = get_args(Side)

Channel = Literal["price", "book", "trades", "phase", "auction", "news"]
_CALLBACKS: dict[Channel, str] = {
    "price": "on_price",
    "book": "on_book",
    "trades": "on_trade",
    "phase": "on_phase",
    "auction": "on_auction",
    "news": "on_news",
}


def option(default: Any, meaning: str) -> Any:
    """Declare a field that the command line can set; `meaning` names its unit."""
    return field(default=default, metadata={"meaning": meaning})


@dataclass
class Strategy(Callbacks):
    """A trader. Subclasses override the callbacks of `Callbacks` that they need; one thread makes all calls, in turn.

    The command line shows a subclass's docstring and its `option` fields. Prices are decimals in dollars; methods
    accept any number as a price and round it to the nearest tick.
    """

    name: ClassVar[str] = ""
    # How many securities it needs.
    trades: ClassVar[int] = 1
    # Channels to deliver in addition to those with a callback: a strategy that reads book() without defining on_book
    # names "book" here.
    watches: ClassVar[frozenset[Channel]] = frozenset()

    session: TradingSession = field(init=False, repr=False, compare=False)

    def join(self, session: TradingSession) -> None:
        """Attach the strategy to its session; called once, before everything else."""
        self.session = session

    @classmethod
    def channels(cls) -> frozenset[Channel]:
        """Return the channels to subscribe to for each security."""
        return cls.watches | {
            channel
            for channel, callback in _CALLBACKS.items()
            if getattr(cls, callback) is not getattr(Strategy, callback)
        }

    # -- orders: each method raises what the venue raises, Problem or Unavailable --------------------------------

    def buy(self, quantity: int, price: float | Decimal | None = None, **terms: Any) -> int:
        """Buy at a limit [dollars], or at the market without one; return the order's id. `terms`: see `order`."""
        return self.order("buy", quantity, price, **terms)

    def sell(self, quantity: int, price: float | Decimal | None = None, **terms: Any) -> int:
        """Sell at a limit [dollars], or at the market without one; return the order's id. `terms`: see `order`."""
        return self.order("sell", quantity, price, **terms)

    def order(
        self,
        side: Side,
        quantity: int,
        price: float | Decimal | None = None,
        *,
        security_id: str | None = None,
        time_in_force: TimeInForce | None = None,
        post_only: bool = False,
        display_quantity: int | None = None,
        stop_price: float | Decimal | None = None,
        expires_at: str | None = None,
    ) -> int:
        """Place an order and return its id.

        security_id       default: the strategy's own
        time_in_force     with a limit: gtc (default), ioc, fok, day, gtd or auction; at the market: ioc (default) or
                          auction; a stop order without a limit: ioc (default), day or gtd
        expires_at        end of a gtd order, a time as in RFC 3339
        post_only         reject the order if it would trade at once
        display_quantity  make it an iceberg that shows this many shares at a time
        stop_price        hold the order until a trade prints at this price or beyond [dollars]
        raises            TypeError  this kind of order has no such term
        """
        security = self.security if security_id is None else self.session.securities[security_id]
        name, stop = security.security_id, None if stop_price is None else security.nearest(stop_price)
        if price is not None and stop is None:
            order: Order = LimitOrder(
                security_id=name,
                side=side,
                quantity=quantity,
                price=security.nearest(price),
                time_in_force=time_in_force or "gtc",
                post_only=post_only,
                display_quantity=display_quantity,
                expires_at=expires_at,
            )
        else:
            terms: dict[str, Any] = {
                "price": None if price is None else security.nearest(price),
                "stop_price": stop,
                "time_in_force": time_in_force,
                "post_only": post_only or None,
                "display_quantity": display_quantity,
                "expires_at": expires_at,
            }
            kind: type[Order] = MarketOrder if stop is None else StopOrder if price is None else StopLimitOrder
            given = {term: value for term, value in terms.items() if value is not None}
            order = kind(security_id=name, side=side, quantity=quantity, **given)
        return self.session.place(order)

    def cancel(self, order_id: int) -> None:
        """Cancel one of the bot's orders; do nothing if it is closed."""
        self.session.cancel(order_id)

    def cancel_all(self, security_id: str | None = None) -> None:
        """Cancel all of the bot's orders in one security, or in all of them."""
        self.session.cancel_all(security_id)

    def replace(self, order_id: int, quantity: int | None = None, price: float | Decimal | None = None) -> None:
        """Give an open order a new total, a new limit [dollars], or both; a smaller total alone keeps its priority.

        raises  LookupError  the order is not open
        """
        order = self.open_orders.get(order_id)
        security = self.security if order is None else self.session.securities[order.security_id]
        self.session.replace(order_id, quantity=quantity, price=None if price is None else security.nearest(price))

    def log(self, text: str, **fields: object) -> None:
        """Log a message; the live runner writes it to its log, the league to the events of the match."""
        self.session.log(text, **fields)

    # -- the account and the market ----------------------------------------------------------------------------

    @property
    def securities(self) -> Mapping[str, Security]:
        """The securities that the strategy may trade, by id."""
        return self.session.securities

    @property
    def security(self) -> Security:
        """The first of them: the default where none is named."""
        return self.session.own

    def position(self, security_id: str | None = None) -> int:
        """Return the shares owned, including those in open sell orders; below zero the shares owed."""
        return self.session.position(security_id or self.session.own.security_id)

    def borrowed(self, security_id: str | None = None) -> int:
        """Return the shares owed: those by which the position is below zero."""
        return self.session.borrowed(security_id or self.session.own.security_id)

    def available(self, security_id: str | None = None) -> int:
        """Return the shares that may still be sold: those in no open sell order."""
        return self.session.available(security_id or self.session.own.security_id)

    def price(self, security_id: str | None = None) -> Price:
        """Return the best and last prices, None where one does not exist; needs the price channel."""
        return self.session.price(security_id or self.session.own.security_id)

    def phase(self, security_id: str | None = None) -> Phase:
        """Return a security's phase; the strategy must define on_phase or watch the channel `phase`."""
        return self.session.phase(security_id or self.session.own.security_id)

    def book(self, security_id: str | None = None) -> Book:
        """Return the best levels of both sides; needs the book channel."""
        return self.session.book(security_id or self.session.own.security_id)

    @property
    def cash(self) -> Decimal:
        """Dollars available to spend: the balance less what open orders hold and owed shares require."""
        return self.session.cash

    @property
    def equity(self) -> Decimal:
        """Balance plus all shares at their last price [dollars]."""
        return self.session.equity

    @property
    def open_orders(self) -> Mapping[int, WorkingOrder]:
        """The orders that may still trade, by id, oldest first; `cancelling` marks those with a cancel under way."""
        return self.session.open_orders

    @property
    def now(self) -> float:
        """Time since the start [s]."""
        return self.session.now_s

    @property
    def rng(self) -> random.Random:
        """The source of randomness; the same seed gives the same run."""
        return self.session.rng
