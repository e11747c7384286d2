"""One bot's trading session: delivers events to its strategy, sends its orders, and keeps its own records.

Both the live runner and the simulated market feed a session the same events, so a strategy cannot distinguish them.
The session computes cash, holdings and open orders from the bot's own reports alone and never queries the exchange.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from bots.callbacks import Callbacks
from bots.contract import (
    Auction,
    Book,
    LimitOrder,
    NewsItem,
    Order,
    OrderState,
    Phase,
    PhaseChange,
    Price,
    Report,
    Security,
    StopLimitOrder,
    StopOrder,
    Trade,
)
from bots.errors import Problem
from bots.interfaces import Event, Log, Venue, no_log
from bots.portfolio import NOTHING, Portfolio
from bots.working_order import ENDS, Fill, WorkingOrder, working

# How many of its most recently closed orders a session remembers, so that a late report does not open one again.
REMEMBERED_ORDERS = 10_000

_LIMITED = (LimitOrder, StopLimitOrder)


class TradingSession:
    """One bot's account and its view of the market.

    strategy     receives the events
    venue        the destination of its orders
    securities   the securities that it may trade, at least one; the first is the strategy's own
    rng          the strategy's only source of randomness
    cash         balance, including what is held for open orders [dollars]
    holdings     shares by security, including those held for open orders; below zero where shares are owed
    open_orders  orders that an earlier run left in the market, newest first
    log          receives what the strategy logs, with the time
    handlers     the methods that record an event and call the strategy, by the type of the event

    Time is in seconds from the start and advances only with events.
    """

    def __init__(
        self,
        strategy: Callbacks,
        venue: Venue,
        securities: Iterable[Security],
        rng: random.Random,
        *,
        cash: Decimal,
        holdings: Mapping[str, int],
        open_orders: Iterable[OrderState] = (),
        log: Log = no_log,
    ) -> None:
        self.securities = {security.security_id: security for security in securities}
        self.own = next(iter(self.securities.values()))
        self.rng = rng
        self.now_s = 0.0
        self.open_orders: dict[int, WorkingOrder] = {}
        self.tally: Counter[str] = Counter()
        self._strategy = strategy
        self._venue = venue
        self._log = log
        self._portfolio = Portfolio(cash, holdings)
        self._prices = {name: Price(security_id=name, bid=None, ask=None) for name in self.securities}
        self._books = {name: Book(security_id=name, sequence=0, bids=[], asks=[]) for name in self.securities}
        self._phases: dict[str, Phase] = {name: security.phase for name, security in self.securities.items()}
        self._closed: set[int] = set()
        self._oldest_closed: deque[int] = deque()
        self.handlers: dict[type[Event], Callable[..., None]] = {
            Price: self._take_price,
            Book: self._take_book,
            Trade: self._take_trade,
            Report: self._take_report,
            PhaseChange: self._take_phase,
            Auction: strategy.on_auction,
            NewsItem: strategy.on_news,
        }
        for state in reversed(list(open_orders)):
            self._open(working(state))
        strategy.join(self)

    # -- called by the runner ------------------------------------------------------------------------------------

    def start(self, now_s: float = 0.0) -> None:
        """Start the strategy."""
        self.now_s = now_s
        self._strategy.on_start()

    def deliver(self, event: Event, now_s: float) -> None:
        """Record an event, then call the strategy."""
        self.now_s = now_s
        self.handlers[type(event)](event)

    def tick(self, now_s: float) -> None:
        """Call the strategy's timer: one of its intervals has passed."""
        self.now_s = now_s
        self._strategy.on_timer(now_s)

    def stop(self, now_s: float) -> None:
        """End the strategy; orders that it leaves in the market stay there."""
        self.now_s = now_s
        self._strategy.on_stop()

    def _take_price(self, price: Price) -> None:
        if price.last is None and (last := self._prices[price.security_id].last) is not None:
            price = Price(
                security_id=price.security_id,
                bid=price.bid,
                ask=price.ask,
                last=last,
                timestamp=price.timestamp,
                sequence=price.sequence,
            )
        self._prices[price.security_id] = price
        self._strategy.on_price(price)

    def _take_book(self, book: Book) -> None:
        self._books[book.security_id] = book
        self._strategy.on_book(book)

    def _take_trade(self, trade: Trade) -> None:
        self._print(trade.security_id, trade.price)
        self._strategy.on_trade(trade)

    def _take_phase(self, phase: PhaseChange) -> None:
        self._phases[phase.security_id] = phase.phase
        self._strategy.on_phase(phase)

    def _take_report(self, report: Report) -> None:
        if report.event_type == "order":
            self._take_order_report(report)
        elif report.event_type == "trade" and report.status == "confirmed":
            self._take_trade_report(report)
        elif report.event_type == "settlement" and report.status == "denied":
            self._book_trade(report, -(report.quantity or 0))
            self.tally["unsettled"] += 1
            self.log("trade_failed", order_id=report.order_id, quantity=report.quantity, reason=report.reason)

    def _take_order_report(self, report: Report) -> None:
        order = self.open_orders.get(report.order_id)
        if order is None:
            order = self._adopted(report)
            if order is None:
                return
        if report.side is None:  # a cancel or a replacement was refused, and the order is unchanged
            order.cancelling = False
            order.reason = report.reason
        elif report.status == "denied":
            was_in_market = bool(order.filled_quantity) or report.reason in ENDS
            self._close(order, "cancelled" if was_in_market else "rejected")
            order.reason = report.reason
            self.tally["cancelled" if was_in_market else "denied"] += 1
        else:
            self._change(order, report)
        self._strategy.on_order(order)

    def _change(self, order: WorkingOrder, report: Report) -> None:
        """Record that an order was confirmed, replaced or triggered."""
        if report.reason is not None:
            self._portfolio.release(order)
            order.reason = report.reason
            order.quantity = report.quantity or order.quantity
            if report.price is not None:
                order.price = order.hold_price = report.price
            self._portfolio.hold(order)
        order.status = "partially_filled" if order.filled_quantity else "new"

    def _take_trade_report(self, report: Report) -> None:
        assert report.side is not None, "a trade has a side"
        assert report.quantity is not None, "a trade has a quantity"
        assert report.price is not None, "a trade has a price"
        self._book_trade(report, report.quantity)
        self._print(report.security_id, report.price)
        self.tally["trades"] += 1
        order = self.open_orders.get(report.order_id)
        if order is not None:
            before = order.open_quantity
            order.filled_quantity += report.quantity
            order.status = "partially_filled"
            self._portfolio.hold_more(order, order.open_quantity - before)
            if order.filled_quantity >= order.quantity:
                self._close(order, "filled")
        fill = Fill(
            order_id=report.order_id,
            security_id=report.security_id,
            side=report.side,
            quantity=report.quantity,
            price=report.price,
        )
        self._strategy.on_fill(fill)
        if order is not None and not order.is_open:
            self._strategy.on_order(order)

    def _book_trade(self, report: Report, quantity: int) -> None:
        self._portfolio.book_trade(report.security_id, report.side, quantity, report.price or NOTHING)

    def _print(self, security_id: str, last: Decimal) -> None:
        before = self._prices[security_id]
        if before.last != last:
            self._prices[security_id] = Price(
                security_id=security_id,
                bid=before.bid,
                ask=before.ask,
                last=last,
                timestamp=before.timestamp,
                sequence=before.sequence,
            )

    def _adopted(self, report: Report) -> WorkingOrder | None:
        """Return an order that is in the market although its request was never answered; None if there is none."""
        if report.status == "denied" or report.side is None or report.order_id in self._closed:
            return None
        order = WorkingOrder(
            order_id=report.order_id,
            security_id=report.security_id,
            side=report.side,
            quantity=report.quantity or 0,
            price=report.price,
            hold_price=report.price or NOTHING,
        )
        self._open(order)
        return order

    # -- called by the strategy ----------------------------------------------------------------------------------

    def place(self, order: Order) -> int:
        """Send an order and return its id. Raises Problem, Unavailable."""
        order_id = self._venue.place(order)
        self.tally["orders"] += 1
        price = order.price if isinstance(order, _LIMITED) else None
        self._open(
            WorkingOrder(
                order_id=order_id,
                security_id=order.security_id,
                side=order.side,
                quantity=order.quantity,
                price=price,
                hold_price=price if price is not None else self._collar(order),
            )
        )
        return order_id

    def _collar(self, order: Order) -> Decimal:
        """Return what an order without a limit may cost [dollars per share]."""
        security = self.securities[order.security_id]
        if isinstance(order, StopOrder):
            return security.collar(order.stop_price)
        return security.collar(self._prices[order.security_id].last or NOTHING)

    def cancel(self, order_id: int) -> None:
        """Cancel one of the bot's orders; do nothing if it is closed or already being cancelled.

        raises  Problem, Unavailable
        """
        order = self.open_orders.get(order_id)
        if order is None or order.cancelling:
            return
        try:
            self._venue.cancel(order.security_id, order_id)
        except Problem as problem:
            if problem.status != 404:  # nothing of the order is left
                raise
        order.cancelling = True
        self.tally["cancels"] += 1

    def cancel_all(self, security_id: str | None = None) -> None:
        """Cancel all of the bot's orders in one security, or in all of them. Raises Problem, Unavailable."""
        concerned = [order for order in self.open_orders.values() if security_id in {None, order.security_id}]
        if not concerned:
            return
        self._venue.cancel_all(security_id)
        for order in concerned:
            order.cancelling = True
        self.tally["cancels"] += len(concerned)

    def replace(self, order_id: int, *, quantity: int | None = None, price: Decimal | None = None) -> None:
        """Request new terms for an order: a new total, a new limit [dollars per share], or both.

        raises  Problem, Unavailable; LookupError if the order is not open
        """
        order = self.open_orders.get(order_id)
        if order is None:
            raise LookupError(f"order {order_id} is not open")
        self._venue.replace(order.security_id, order_id, quantity=quantity, price=price)
        self.tally["replaces"] += 1

    def log(self, text: str, **fields: object) -> None:
        """Log a message of the strategy's with the time."""
        self._log(self.now_s, text, fields)

    # -- the bot's account and market data -----------------------------------------------------------------------

    @property
    def cash(self) -> Decimal:
        """Cash available to spend: the balance less what open buy orders may cost [dollars].

        Reports do not include fees, so where a security has fees the actual figure is a little lower.
        """
        return self._portfolio.cash

    @property
    def equity(self) -> Decimal:
        """Balance plus all shares at their last price [dollars]; a security that never traded counts as zero."""
        return sum(
            (self._worth(name, shares) for name, shares in self._portfolio.shares.items()), self._portfolio.balance
        )

    def _worth(self, security_id: str, shares: int) -> Decimal:
        price = self._prices.get(security_id)
        return shares * price.last if price is not None and price.last is not None else NOTHING

    def position(self, security_id: str) -> int:
        """Return the shares owned, including those in open sell orders; below zero the shares owed."""
        return self._portfolio.shares[security_id]

    def borrowed(self, security_id: str) -> int:
        """Return the shares owed: those by which the position is below zero."""
        return self._portfolio.borrowed(security_id)

    def available(self, security_id: str) -> int:
        """Return the shares that may still be sold: those in no open sell order."""
        return self._portfolio.available(security_id)

    def price(self, security_id: str) -> Price:
        """Return the best and last prices; those that do not exist are None."""
        return self._prices[security_id]

    def phase(self, security_id: str) -> Phase:
        """Return the last known phase of a security; it is up to date only if the strategy listens to the channel."""
        return self._phases[security_id]

    def book(self, security_id: str) -> Book:
        """Return the most recent book; it has no levels unless the strategy listens to the channel."""
        return self._books[security_id]

    def _open(self, order: WorkingOrder) -> None:
        self.open_orders[order.order_id] = order
        self._portfolio.hold(order)

    def _close(self, order: WorkingOrder, status: str) -> None:
        self._portfolio.release(order)
        order.status = status  # type: ignore[assignment]
        del self.open_orders[order.order_id]
        self._closed.add(order.order_id)
        self._oldest_closed.append(order.order_id)
        if len(self._closed) > REMEMBERED_ORDERS:
            self._closed.discard(self._oldest_closed.popleft())
