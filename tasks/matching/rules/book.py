"""One security's order book: price, then time; and the orders that wait outside it.

Levels are found by signed keys, as tasks.matching.rules.shown says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tasks.matching.rules.auction import Auction
from tasks.matching.rules.indicative import NOTHING as NO_TRADE
from tasks.matching.rules.indicative import Indication
from tasks.matching.rules.levels import RestingOrder
from tasks.matching.rules.shown import LITTER, NOTHING
from tasks.matching.rules.state import BookState, OrderState
from tasks.matching.rules.traded import TradedBook
from tasks.matching.rules.waiting import AuctionOrders, OpenOrder, Stops, WaitingOrder
from tasks.messages import AuctionUpdate, Phase, PhaseCause, PlaceOrder, Side

_MILLION: Final = 1_000_000
_BEYOND: Final = 2**62


class Book(TradedBook):
    """The orders of one security, and the phase of its day.

    `open_orders` are those of all the shard's books by their ids, resting or waiting; `trading` are the books in
    continuous trading by security. The book adds and removes its own.
    """

    __slots__ = (
        "_clients",
        "_told_indication",
        "_trading",
        "auction",
        "band_ppm",
        "cause",
        "ends_us",
        "for_auction",
        "is_over",
        "phase",
        "reference_cents",
        "stops",
    )

    def __init__(self, security_id: str, open_orders: dict[int, OpenOrder], trading: dict[str, Book]) -> None:
        super().__init__(security_id, open_orders)
        self.stops = Stops()
        self.for_auction = AuctionOrders()
        # One name a client, not one an order: as the log is read, each order brings its own.
        self._clients: dict[str, str] = {}
        self.reference_cents: int | None = None
        self.band_ppm: int | None = None
        self.auction: Auction | None = None
        self._told_indication = NO_TRADE
        self._trading = trading
        self.is_over = False  # delisted or settled: it stays closed
        self.set_phase("continuous", None, None)

    # -- phases ------------------------------------------------------------------------------------------------------

    def set_phase(self, phase: Phase, cause: PhaseCause | None, ends_us: int | None) -> None:
        """Be in a phase from now on; what that means for the orders is up to tasks.matching.rules.phases."""
        self.phase, self.cause, self.ends_us = phase, cause, ends_us
        if phase == "continuous":
            self._trading[self.security_id] = self
        else:
            self._trading.pop(self.security_id, None)
        if phase != "auction":
            self.auction = None
        elif self.auction is None:
            self.auction = Auction(self.resting(), self._open_orders)

    def indication(self) -> Indication:
        """What an uncross would lead to now."""
        # What an auction would be made of is the book's; outside of one that is looked at only when it uncrosses.
        if self.best_bid == NOTHING or self.best_ask == NOTHING or self.best_bid + self.best_ask < 0:
            return NO_TRADE
        auction = self.auction or Auction(self.resting(), self._open_orders)
        return auction.indication(self._levels, self.reference_cents or self.last_cents or self.best_bid)

    def auction_update(self, *, always: bool = False) -> AuctionUpdate | None:
        """Where the auction would end now; None when that was the last that was said of it, unless it is wanted."""
        indication = NO_TRADE if self.auction is None else self.indication()
        if indication == self._told_indication and not always:
            return None
        self._told_indication = indication
        return AuctionUpdate(self.security_id, *indication, updated_us=self._updated_us)

    def band_key(self, side: Side) -> int | None:
        """The lowest key on the other side at which an order that meets it may trade now; above all keys if at none.

        None when there is no band, or no price that it is around.
        """
        base_cents = self.last_cents or self.reference_cents
        if self.band_ppm is None or base_cents is None:
            return None
        highest_cents = base_cents * (_MILLION + self.band_ppm) // _MILLION
        lowest_cents = -(-base_cents * (_MILLION - self.band_ppm) // _MILLION)
        if side == "buy":
            return -highest_cents if -self.best_ask >= lowest_cents else _BEYOND
        return lowest_cents if self.best_bid <= highest_cents else _BEYOND

    # -- what orders do to it ----------------------------------------------------------------------------------------

    def rest(self, order: PlaceOrder, quantity: int, total: int) -> RestingOrder:
        """Put what is open of a gtc order at the end of the queue of its price; it must not meet the other side.

        quantity  what is open of it, which an iceberg shows in parts [shares]
        total     that and what was filled of it [shares]
        """
        price_cents = order.price_cents
        key = price_cents if order.side == "buy" else -price_cents
        level = self._levels.get(key)
        if level is None:
            level = self._add_level(key)
        elif not level.count:
            self._empty_levels -= 1
        client_id = order.client_id
        client_id = self._clients.setdefault(client_id, client_id)
        resting = RestingOrder(
            order.order_id, client_id, self.security_id, key, quantity, total, order.hold_cents or price_cents
        )
        if order.post_only:
            resting.post_only = True
        if order.display_quantity is not None:
            resting.display_quantity = order.display_quantity
            resting.quantity = min(order.display_quantity, quantity)
            resting.hidden = quantity - resting.quantity
            level.hidden += resting.hidden
            quantity = resting.quantity
        self._open_orders[order.order_id] = resting
        level.queue.append(resting)
        level.count += 1
        level.quantity += quantity
        self._changed_keys.add(key)
        self._sequence += 1
        self._updated_us = order.sequenced_us
        return resting

    def collect(self, order: PlaceOrder, quantity: int, total: int) -> None:
        """Put what is open of an order of any time in force at the end of its queue, in an auction as well."""
        resting = self.rest(order, quantity, total)
        # What is left of a market order leaves with the uncross, which it waits for.
        resting.time_in_force = "ioc" if order.type == "market" else order.time_in_force
        if self.auction is not None:
            self.auction.rested(resting)

    def remove(self, order: RestingOrder, now_us: int) -> int:
        """Take an order out of the book; returns what was open of it [shares]."""
        quantity, key = order.quantity, order.key
        order.quantity = 0
        del self._open_orders[order.order_id]
        level = self._levels[key]
        level.count -= 1
        level.quantity -= quantity
        if order.hidden:
            level.hidden -= order.hidden
            quantity += order.hidden
        if not level.count:
            self._leave_level(key, level)
        elif len(level.queue) > 2 * level.count + LITTER:
            level.sweep()
        self._changed_keys.add(key)
        self._sequence += 1
        self._updated_us = now_us
        if self.auction is not None:
            self.auction.changed.add(key)
        return quantity

    def shrink(self, order: RestingOrder, total: int, now_us: int) -> None:
        """Lower an order's total, which keeps its place; something of it has to stay open.

        What an iceberg hides goes first, which nobody sees.
        """
        less = order.total - total
        order.total = total
        level = self._levels[order.key]
        from_hidden = min(less, order.hidden)
        order.hidden -= from_hidden
        level.hidden -= from_hidden
        if self.auction is not None:
            self.auction.changed.add(order.key)
        if less > from_hidden:
            order.quantity -= less - from_hidden
            level.quantity -= less - from_hidden
            self._changed_keys.add(order.key)
            self._sequence += 1
            self._updated_us = now_us

    def wait(self, order: PlaceOrder) -> None:
        """Let an order wait for its stop price, or for the next auction, behind those that wait already."""
        waiting = self.for_auction if order.stop_price_cents is None else self.stops
        self._open_orders[order.order_id] = waiting.add(order)

    def forget(self, order: WaitingOrder) -> None:
        """Let an order wait no more."""
        (self.for_auction if order.order.stop_price_cents is None else self.stops).remove(order)
        del self._open_orders[order.order.order_id]

    def triggered(self, *, lowest_cents: int, highest_cents: int) -> list[WaitingOrder]:
        """Take out the stop orders that trades between these prices have reached, by their arrival."""
        reached = self.stops.reached(lowest_cents=lowest_cents, highest_cents=highest_cents)
        for stop in reached:
            del self._open_orders[stop.order.order_id]
        return reached

    def reached_by_last(self) -> list[WaitingOrder]:
        """Take out the stop orders that the last trade has reached; there is none before the first trade."""
        if self.last_cents is None:
            return []
        return self.triggered(lowest_cents=self.last_cents, highest_cents=self.last_cents)

    def wait_again(self, stops: Iterable[WaitingOrder]) -> None:
        """Put stop orders back that were taken out and did not act."""
        for stop in stops:
            self._open_orders[stop.order_id] = stop
            self.stops.put_back(stop)

    def open_orders(self) -> list[OpenOrder]:
        """All open orders by their ids."""
        orders: list[OpenOrder] = [*self.resting(), *self.stops.waiting.values(), *self.for_auction.waiting.values()]
        return sorted(orders, key=lambda order: order.order_id)

    # -- snapshot and restore ----------------------------------------------------------------------------------------

    def state(self) -> BookState:
        """The book as values."""
        return BookState(
            security_id=self.security_id,
            bids=[_state(order) for order in self.resting() if order.key > 0],
            asks=[_state(order) for order in self.resting() if order.key < 0],
            stops=list(self.stops.orders()),
            for_auction=list(self.for_auction.orders()),
            last_cents=self.last_cents,
            trade_sequence=self._trade_sequence,
            sequence=self._sequence,
            updated_us=self._updated_us,
            phase=self.phase,
            cause=self.cause,
            ends_us=self.ends_us,
            is_over=self.is_over,
            reference_cents=self.reference_cents,
            band_ppm=self.band_ppm,
        )

    @classmethod
    def restored(cls, state: BookState, open_orders: dict[int, OpenOrder], trading: dict[str, Book]) -> Book:
        """The book of a state; nothing of it counts as changed."""
        book = cls(state.security_id, open_orders, trading)
        for sign, orders in ((1, state.bids), (-1, state.asks)):
            for order in orders:
                key = sign * order.price_cents
                open_orders[order.order_id] = resting = RestingOrder(
                    order.order_id,
                    book._clients.setdefault(order.client_id, order.client_id),
                    state.security_id,
                    key,
                    order.quantity,
                    order.total,
                    order.hold_cents,
                    order.post_only,
                    order.hidden,
                    order.display_quantity,
                    order.time_in_force,
                )
                (book._levels.get(key) or book._add_level(key)).add(resting)
        for waiting in (*state.stops, *state.for_auction):
            book.wait(waiting)
        book.last_cents = state.last_cents
        book._trade_sequence = state.trade_sequence
        book._sequence = book._told_sequence = state.sequence
        book._updated_us = state.updated_us
        book.reference_cents, book.band_ppm, book.is_over = state.reference_cents, state.band_ppm, state.is_over
        book.set_phase(state.phase, state.cause, state.ends_us)
        return book


def _state(order: RestingOrder) -> OrderState:
    return OrderState(
        order.order_id,
        order.client_id,
        order.price_cents,
        order.quantity,
        order.total,
        order.hold_cents,
        order.post_only,
        order.hidden,
        order.display_quantity,
        order.time_in_force,
    )
