"""Runs the engine and the naive book on the same log, and checks invariants after every command."""

from __future__ import annotations

from collections import defaultdict

from tasks.matching.rules.engine import Engine
from tasks.matching.rules.state import decode, encode
from tasks.messages import BookState, Command, Event, OrderClosed, OrderReplaced, OrderState, PlaceOrder, TradeMade
from tests.support.book_mirror import BookMirror
from tests.support.naive_book import NaiveBook
from tests.support.naive_orders import CONTINUOUS, NaiveOrder, levels


class Comparison:
    """Both books, compared in their events, levels, queues and waiting stop orders after every command."""

    def __init__(self, **bounds: int) -> None:
        """Bounds are those of the engine: waiting_commands, remembered_orders."""
        self.engine = Engine(1, **bounds)
        self.naive = NaiveBook(1, **bounds)
        self._bounds = bounds
        self._mirrors: dict[str, BookMirror] = defaultdict(BookMirror)
        self._last_event_id = 0
        self.total: dict[int, int] = {}  # by order
        self.filled: dict[int, int] = defaultdict(int)

    def apply(self, seq: int, command: Command) -> list[Event]:
        """Apply a command, check everything, and return its events."""
        events = self.engine.apply(seq, command)
        assert events == self.naive.apply(seq, command)
        self._check_numbers(events)
        self._count(command, events)
        for update in self.engine.book_updates():
            assert update.previous_sequence == self._mirrors[update.security_id].sequence
            self._mirrors[update.security_id].apply(update)
        state = self.engine.state()
        for book in state.books:
            self._check_book(book, self._mirrors[book.security_id])
        open_ids = [
            order.order_id for book in state.books for order in [*book.bids, *book.asks, *book.stops, *book.for_auction]
        ]
        assert len(open_ids) == len(set(open_ids))
        return events

    def restart(self) -> None:
        """Continue with an engine restored from the state."""
        body = encode(self.engine.state())
        self.engine = Engine.restored(decode(body), **self._bounds)
        assert encode(self.engine.state()) == body

    def _check_numbers(self, events: list[Event]) -> None:
        for event in events:
            assert event.event_id > self._last_event_id
            self._last_event_id = event.event_id

    def _count(self, command: Command, events: list[Event]) -> None:
        """Check that every share of a closed order was filled or closed."""
        if isinstance(command, PlaceOrder) and not any(
            isinstance(event, OrderClosed) and event.reason == "duplicate_order" for event in events
        ):
            self.total[command.order_id] = command.quantity
            self.filled[command.order_id] = 0
        for event in events:
            if isinstance(event, TradeMade):
                assert event.buyer != event.seller
                for order_id in (event.buy_order_id, event.sell_order_id):
                    self.filled[order_id] += event.quantity
                    assert self.filled[order_id] <= self.total[order_id]
            elif isinstance(event, OrderReplaced):
                assert event.old_open == self.total[event.order_id] - self.filled[event.order_id]
                self.total[event.order_id] = event.quantity
                assert event.open_quantity == self.total[event.order_id] - self.filled[event.order_id]
            elif isinstance(event, OrderClosed) and event.reason != "duplicate_order":
                assert self.filled[event.order_id] + event.quantity == self.total[event.order_id]

    def _check_book(self, book: BookState, mirror: BookMirror) -> None:
        bids, asks = self.naive.queue(book.security_id, "buy"), self.naive.queue(book.security_id, "sell")
        assert mirror.depth() == (levels(bids), levels(asks))
        phase = (book.phase, book.cause, book.ends_us)
        assert phase == self.naive.phases.get(book.security_id, CONTINUOUS)
        if book.phase == "continuous":
            assert max(mirror.bids, default=0) < min(mirror.asks, default=2**62), "the book is crossed"
        assert self.engine.indicative(book.security_id) == self.naive.indication(book.security_id)
        assert book.last_cents == self.naive.last_cents.get(book.security_id)
        assert [_terms(order) for order in book.bids] == [_naive_terms(order) for order in bids]
        assert [_terms(order) for order in book.asks] == [_naive_terms(order) for order in asks]
        for order in [*book.bids, *book.asks]:
            assert order.quantity > 0
            assert order.total == self.total[order.order_id]
            assert order.quantity + order.hidden == order.total - self.filled[order.order_id]
        assert [stop.order_id for stop in book.stops] == self.naive.stops(book.security_id)
        assert [order.order_id for order in book.for_auction] == self.naive.for_auction(book.security_id)
        for stop in [*book.stops, *book.for_auction]:
            assert (stop.quantity, 0) == (self.total[stop.order_id], self.filled[stop.order_id])

    def check_snapshots(self) -> None:
        """Check that a snapshot has every level, and no empty one."""
        for snapshot in self.engine.book_snapshots():
            assert all(quantity and orders for _, quantity, orders in [*snapshot.bids, *snapshot.asks])
            mirror = BookMirror()
            mirror.apply(snapshot)
            assert mirror.depth() == self.naive.depth(snapshot.security_id)


def _terms(order: OrderState) -> tuple[object, ...]:
    return (order.order_id, order.client_id, order.price_cents, order.quantity, order.hidden, order.hold_cents)


def _naive_terms(order: NaiveOrder) -> tuple[object, ...]:
    hidden = order.open - order.shown
    return (order.order_id, order.client_id, order.price_cents, order.shown, hidden, order.hold_cents)
