"""One security's order book: price, then time; and the orders that wait outside it.

tasks.matching.rules.book_levels explains the signed keys of levels.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final

from tasks.matching.rules.auction import Auction
from tasks.matching.rules.book_levels import LITTER, NOTHING
from tasks.matching.rules.indicative import NOTHING as NO_TRADE
from tasks.matching.rules.indicative import Indication
from tasks.matching.rules.levels import RestingOrder
from tasks.matching.rules.matching_book import MatchingBook
from tasks.matching.rules.waiting import AuctionOrders, OpenOrder, Stops, WaitingOrder
from tasks.messages import AuctionUpdate, BookState, OrderState, Phase, PhaseCause, PlaceOrder, Side

_MILLION: Final = 1_000_000
_BEYOND: Final = 2**62


class Book(MatchingBook):
    """The orders of one security, and the phase of its day.

    `open_orders` contains the orders of all the shard's books by their ids, resting or waiting, and `trading` the books
    in continuous trading by security. The book adds and removes its own entries.
    """

    __slots__ = (
        "_clients",
        "_published_indication",
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
        # One string for each client: each order read from the log brings its own.
        self._clients: dict[str, str] = {}
        self.reference_cents: int | None = None
        self.band_ppm: int | None = None
        self.auction: Auction | None = None
        self._published_indication = NO_TRADE
        self._trading = trading
        self.is_over = False  # delisted or settled: it stays closed
        self.set_phase("continuous", None, None)

    # -- phases ------------------------------------------------------------------------------------------------------

    def set_phase(self, phase: Phase, cause: PhaseCause | None, ends_us: int | None) -> None:
        """Enter a phase; tasks.matching.rules.phases says what it means for the orders."""
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
        """Return the outcome of an uncross at this moment."""
        # Outside of an auction, only an uncross asks, so an Auction is built from the orders of the book.
        if self.best_bid == NOTHING or self.best_ask == NOTHING or self.best_bid + self.best_ask < 0:
            return NO_TRADE
        auction = self.auction or Auction(self.resting(), self._open_orders)
        return auction.indication(self._levels, self.reference_cents or self.last_cents or self.best_bid)

    def auction_update(self, *, always: bool = False) -> AuctionUpdate | None:
        """Return the indicative outcome of the auction; None if it has not changed, unless `always` is set."""
        indication = NO_TRADE if self.auction is None else self.indication()
        if indication == self._published_indication and not always:
            return None
        self._published_indication = indication
        return AuctionUpdate(self.security_id, *indication, updated_us=self._updated_us)

    def is_within_band(self, order: PlaceOrder) -> bool:
        """Return whether the band cannot stop an order: its limit and the best price of the other side lie within.

        It answers without the prices at the edges of the band, which need a division.
        """
        base_cents = self.last_cents or self.reference_cents
        if self.band_ppm is None or base_cents is None:
            return True
        width = base_cents * self.band_ppm
        if order.side == "buy":
            return (order.price_cents - base_cents) * _MILLION <= width >= (base_cents + self.best_ask) * _MILLION
        return (base_cents - order.price_cents) * _MILLION <= width >= (self.best_bid - base_cents) * _MILLION

    def band_key(self, side: Side) -> int | None:
        """Return the lowest key on the other side at which an order may trade now; above all keys if at none.

        None if the security has no band, or no price for the band to surround.
        """
        base_cents = self.last_cents or self.reference_cents
        if self.band_ppm is None or base_cents is None:
            return None
        highest_cents = base_cents * (_MILLION + self.band_ppm) // _MILLION
        lowest_cents = -(-base_cents * (_MILLION - self.band_ppm) // _MILLION)
        if side == "buy":
            return -highest_cents if -self.best_ask >= lowest_cents else _BEYOND
        return lowest_cents if self.best_bid <= highest_cents else _BEYOND

    # -- orders ------------------------------------------------------------------------------------------------------

    def rest(self, order: PlaceOrder, quantity: int, total: int) -> RestingOrder:
        """Put the open quantity of a gtc order at the end of its price's queue; it must not meet the other side.

        quantity  open quantity, which an iceberg displays in parts [shares]
        total     open and filled quantity [shares]
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
        """Put the open quantity of an order with any time in force at the end of its queue, in an auction as well."""
        resting = self.rest(order, quantity, total)
        # The rest of a market order leaves with the uncross.
        resting.time_in_force = "ioc" if order.type == "market" else order.time_in_force
        if self.auction is not None:
            self.auction.rested(resting)

    def remove(self, order: RestingOrder, now_us: int) -> int:
        """Take an order out of the book; return its open quantity [shares]."""
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
        """Lower the total of an order, which keeps its place; part of it must stay open.

        An iceberg loses its hidden quantity first, which no client sees.
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
        """Let an order wait for its stop price, or for the next auction, behind the orders that already wait."""
        waiting = self.for_auction if order.stop_price_cents is None else self.stops
        self._open_orders[order.order_id] = waiting.add(order)

    def forget(self, order: WaitingOrder) -> None:
        """Remove a waiting order."""
        (self.for_auction if order.order.stop_price_cents is None else self.stops).remove(order)
        del self._open_orders[order.order.order_id]

    def triggered(self, *, lowest_cents: int, highest_cents: int) -> list[WaitingOrder]:
        """Take out, by arrival, the stop orders that trades between these prices have reached."""
        reached = self.stops.reached(lowest_cents=lowest_cents, highest_cents=highest_cents)
        for stop in reached:
            del self._open_orders[stop.order.order_id]
        return reached

    def reached_by_last(self) -> list[WaitingOrder]:
        """Take out the stop orders that the last trade has reached; before the first trade, take out nothing."""
        if self.last_cents is None:
            return []
        return self.triggered(lowest_cents=self.last_cents, highest_cents=self.last_cents)

    def wait_again(self, stops: Iterable[WaitingOrder]) -> None:
        """Put back stop orders that were taken out and not triggered."""
        for stop in stops:
            self._open_orders[stop.order_id] = stop
            self.stops.put_back(stop)

    def open_orders(self) -> list[OpenOrder]:
        """Return all open orders in the order of their ids."""
        orders: list[OpenOrder] = [*self.resting(), *self.stops.waiting.values(), *self.for_auction.waiting.values()]
        return sorted(orders, key=lambda order: order.order_id)

    # -- snapshot and restore ----------------------------------------------------------------------------------------

    def state(self) -> BookState:
        """Return the book as values."""
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
        """Return the book of a state, with no level marked as changed."""
        book = cls(state.security_id, open_orders, trading)
        for sign, orders in ((1, state.bids), (-1, state.asks)):
            # Level by level, because a start may restore a million orders.
            for price_cents, level in groupby(orders, key=attrgetter("price_cents")):
                key = sign * price_cents
                queue = [
                    RestingOrder(
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
                    for order in level
                ]
                book._add_level(key).extend(queue)
                for resting in queue:
                    open_orders[resting.order_id] = resting
        for waiting in (*state.stops, *state.for_auction):
            book.wait(waiting)
        book.last_cents = state.last_cents
        book._trade_sequence = state.trade_sequence
        book._sequence = book._published_sequence = state.sequence
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
