"""The matching engine of a shard: commands in, events out, and nothing else.

It is a pure function of the shard's log: no clock, no randomness, no floats. Events carry the time at which their
command was sequenced and ids made of the command's number, so whoever replays the log makes the same events. No
command raises; one that cannot be right is refused and leaves the books as they are.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from msgspec import structs

from tasks.matching.book import Book, OpenOrder
from tasks.matching.early_cancels import EarlyCancels
from tasks.matching.state import VERSION, EngineState, digest, encode
from tasks.matching.stops import WaitingStop
from tasks.messages import (
    MAX_EVENTS_PER_COMMAND,
    BookUpdate,
    CancelOrder,
    CancelRefused,
    Command,
    Event,
    Level,
    MassCancel,
    OrderClosed,
    OrderReplaced,
    OrderTriggered,
    OrderType,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRefused,
    SetHalt,
    TradeMade,
    event_id,
)

# How many commands a cancel waits for its order. Order entry sequences a cancel of an order that it has sequenced
# before, so only in older logs there are some that wait.
WAITING_COMMANDS: Final = 100_000

# Of the orders that were closed the engine remembers at least so many, the latest, and at most about twice as many:
# a cancel of one of these is refused at once. Order entry refuses those of older ones itself, as it knows their
# state by then; should one come all the same, it waits and is refused then.
REMEMBERED_ORDERS: Final = 100_000

# An order can make a trade of each of its shares, and the events of a command are numbered up to a limit; the half
# that is left is for the cancels that waited for it, and for the stop orders that it triggers.
MAX_QUANTITY: Final = MAX_EVENTS_PER_COMMAND // 2

# That a stop order was triggered, and that its rest was closed.
_EVENTS_BESIDE_TRADES: Final = 2

# Other orders have a collar in the place of a limit.
_LIMITED: Final = ("limit", "stop_limit")

Refusal = Literal["cancelled", "rejected"]


class Engine:
    """The books of one shard's securities after command `seq` of its log."""

    __slots__ = (
        "_books",
        "_closed",
        "_closed_before",
        "_early_cancels",
        "_first_id",
        "_halted",
        "_open_orders",
        "_remembered_orders",
        "_trading",
        "seq",
        "shard",
    )

    def __init__(
        self, shard: int, *, waiting_commands: int = WAITING_COMMANDS, remembered_orders: int = REMEMBERED_ORDERS
    ) -> None:
        self.shard = shard
        self.seq = 0
        self._first_id = event_id(shard, 0, 0)
        self._books: dict[str, Book] = {}
        self._trading: dict[str, Book] = {}  # the books of securities that are not halted
        self._open_orders: dict[int, OpenOrder] = {}  # of all books, resting or waiting for their stop price
        self._halted: set[str] = set()
        self._early_cancels = EarlyCancels((), commands=waiting_commands)
        # Two generations of remembered orders; a full one takes the place of the one before it.
        self._closed: set[int] = set()
        self._closed_before: set[int] = set()
        self._remembered_orders = remembered_orders

    def apply(self, seq: int, command: Command) -> list[Event]:
        """The events of command `seq`, which has to be the next one of the log."""
        self.seq = seq
        events: list[Event] = []
        if seq > self._early_cancels.next_expiry:
            for cancel in self._early_cancels.expired(seq):
                self._refuse_cancel(cancel, command.sequenced_us, events)
        if type(command) is PlaceOrder:
            self._place(command, events)
        elif type(command) is CancelOrder:
            self._cancel(command, events)
        elif type(command) is ReplaceOrder:
            self._replace(command, events)
        elif type(command) is MassCancel:
            self._cancel_all(command, events)
        elif type(command) is SetHalt:
            self._set_halt(command)
        if events and len(self._closed) >= self._remembered_orders:
            self._closed_before, self._closed = self._closed, set()
        return events

    # -- orders ------------------------------------------------------------------------------------------------------

    def _place(self, order: PlaceOrder, events: list[Event]) -> None:
        book = self._trading.get(order.security_id)
        quantity, price_cents = order.quantity, order.price_cents
        if (
            book is None
            or order.type != "limit"
            or order.stop_price_cents is not None
            or order.display_quantity is not None
            or not 0 < quantity <= MAX_QUANTITY
            or price_cents <= 0
            or order.order_id in self._open_orders
            or order.order_id in self._early_cancels.by_order
        ):
            self._place_with_care(order, events)
            return
        # From here on as in `_enter`, without its calls: most orders come this way.
        if (book.best_ask >= -price_cents) if order.side == "buy" else (book.best_bid >= price_cents):
            self._trade(book, order, quantity, "rejected", events)
            if book.stops.waiting:
                self._trigger(book, _reached(book, 0, events), order.sequenced_us, events)
        elif order.time_in_force == "gtc":
            book.rest(order, quantity, quantity)
        else:
            self._close(order, quantity, "cancelled", "unfilled", events)

    def _place_with_care(self, order: PlaceOrder, events: list[Event]) -> None:
        """An order that is more than a limit order, or cannot be right."""
        reason = self._fault(order)
        if reason:
            self._close(order, order.quantity, "rejected", reason, events)
        elif order.order_id in self._early_cancels.by_order and self._was_cancelled(order, events):
            self._close(order, order.quantity, "cancelled", "cancelled", events)
        elif order.security_id in self._halted:
            self._close(order, order.quantity, "rejected", "halted", events)
        else:
            book = self._book(order.security_id)
            if order.stop_price_cents is not None:
                book.wait(order)
                self._trigger(book, book.reached_by_last(), order.sequenced_us, events)
                return
            self._enter(book, order, order.quantity, "rejected", events)
            if book.stops.waiting:
                self._trigger(book, _reached(book, 0, events), order.sequenced_us, events)

    def _book(self, security_id: str) -> Book:
        book = self._books.get(security_id)
        if book is None:
            book = self._books[security_id] = self._trading[security_id] = Book(security_id, self._open_orders)
        return book

    def _fault(self, order: PlaceOrder) -> str | None:
        """Why an order cannot be right, whatever the book is like."""
        if order.order_id in self._open_orders:
            return "duplicate_order"
        if not 0 < order.quantity <= MAX_QUANTITY or order.price_cents <= 0:
            return "out_of_range"
        if (order.stop_price_cents is not None) != (order.type in ("stop", "stop_limit")):
            return "invalid_terms"
        if order.display_quantity is not None and not (
            order.type in ("limit", "stop_limit")
            and order.time_in_force == "gtc"
            and 0 < order.display_quantity <= order.quantity
        ):
            return "invalid_terms"
        return None

    def _was_cancelled(self, order: PlaceOrder, events: list[Event]) -> bool:
        """Whether a cancel waited for the order; those that were not its client's, or came twice, are refused."""
        cancelled = False
        for cancel in self._early_cancels.take(order.order_id):
            if not cancelled and (cancel.client_id, cancel.security_id) == (order.client_id, order.security_id):
                cancelled = True
            else:
                self._refuse_cancel(cancel, order.sequenced_us, events)
        return cancelled

    def _enter(self, book: Book, order: PlaceOrder, total: int, refusal: Refusal, events: list[Event]) -> None:
        """An order comes to the book: it trades, rests, or is closed.

        total    what it was placed or replaced with: its quantity, which is open of it, and what was filled [shares]
        refusal  what becomes of a post-only order that would trade
        """
        if book.meets(order):
            self._trade(book, order, total, refusal, events)
        elif order.time_in_force == "gtc" and order.type == "limit":
            book.rest(order, order.quantity, total)
        else:
            self._close(order, order.quantity, "cancelled", "unfilled", events)

    def _trade(self, book: Book, order: PlaceOrder, total: int, refusal: Refusal, events: list[Event]) -> None:
        """An order whose limit reaches the other side; as for `_enter`."""
        if order.post_only:
            self._close(order, order.quantity, refusal, "would_cross", events)
            return
        if order.time_in_force == "fok" and not book.could_fill(order):
            self._close(order, order.quantity, "cancelled", "unfilled", events)
            return
        rest, met_own = book.match(order, self._first_id + self.seq * MAX_EVENTS_PER_COMMAND, events, self._closed)
        if not rest:
            self._closed.add(order.order_id)
        elif met_own:
            self._close(order, rest, "cancelled", "self_trade", events)
        elif order.time_in_force == "gtc" and order.type == "limit":
            book.rest(order, rest, total)
        else:
            self._close(order, rest, "cancelled", "unfilled", events)

    # -- stop orders -------------------------------------------------------------------------------------------------

    def _trigger(self, book: Book, reached: list[PlaceOrder], now_us: int, events: list[Event]) -> None:
        """Let the stop orders act that trades have reached, by their arrival, and behind them those that they reach."""
        triggered = deque(reached)
        while triggered:
            stop = triggered.popleft()
            # Each of the others may need a number, if only to be closed with it.
            others = len(triggered) + len(book.stops.waiting)
            since = len(events)
            if since + stop.quantity + _EVENTS_BESIDE_TRADES + others > MAX_EVENTS_PER_COMMAND:
                self._close(stop, stop.quantity, "cancelled", "too_many_events", events, now_us=now_us)
            else:
                self._activate(book, stop, now_us, events)
                triggered.extend(_reached(book, since, events))

    def _activate(self, book: Book, stop: PlaceOrder, now_us: int, events: list[Event]) -> None:
        """A stop order becomes the market or limit order that it stands for."""
        events.append(
            OrderTriggered(
                event_id=self._next_id(events),
                order_id=stop.order_id,
                client_id=stop.client_id,
                security_id=stop.security_id,
                side=stop.side,
                quantity=stop.quantity,
                price_cents=stop.price_cents,
                triggered_us=now_us,
            )
        )
        order_type: OrderType = "market" if stop.type == "stop" else "limit"
        order = structs.replace(stop, type=order_type, stop_price_cents=None, sequenced_us=now_us)
        self._enter(book, order, order.quantity, "cancelled", events)

    # -- cancels -----------------------------------------------------------------------------------------------------

    def _cancel(self, cancel: CancelOrder, events: list[Event]) -> None:
        order = self._open_orders.get(cancel.order_id)
        if order is not None:
            if order.client_id == cancel.client_id and order.security_id == cancel.security_id:
                self._take_out(order, cancel.sequenced_us, events)
            else:
                self._refuse_cancel(cancel, cancel.sequenced_us, events)
        elif cancel.order_id in self._closed or cancel.order_id in self._closed_before:
            self._refuse_cancel(cancel, cancel.sequenced_us, events)
        else:
            self._early_cancels.add(self.seq, cancel)

    def _cancel_all(self, cancel: MassCancel, events: list[Event]) -> None:
        for order_id in cancel.order_ids:
            order = self._open_orders.get(order_id)
            if order is not None and order.client_id == cancel.client_id and len(events) < MAX_EVENTS_PER_COMMAND:
                self._take_out(order, cancel.sequenced_us, events)

    # -- replacements ------------------------------------------------------------------------------------------------

    def _replace(self, replace: ReplaceOrder, events: list[Event]) -> None:
        order = self._open_orders.get(replace.order_id)
        if order is None or order.client_id != replace.client_id or order.security_id != replace.security_id:
            self._refuse_replace(replace, "unknown_order", events)
        elif order.side != replace.side:
            self._refuse_replace(replace, "wrong_side", events)
        elif replace.security_id in self._halted:
            self._refuse_replace(replace, "halted", events)
        elif not (replace.quantity is None or 0 < replace.quantity <= MAX_QUANTITY) or not (
            replace.price_cents is None or replace.price_cents > 0
        ):
            self._refuse_replace(replace, "out_of_range", events)
        else:
            self._change(self._books[order.security_id], order, replace, events)

    def _change(self, book: Book, order: OpenOrder, replace: ReplaceOrder, events: list[Event]) -> None:
        """Give an open order its new terms, with which it may trade; one with nothing left to trade is closed."""
        old_open = order.open_quantity
        filled = order.total - old_open
        total = order.total if replace.quantity is None else replace.quantity
        price_cents, hold_cents = order.price_cents, order.hold_cents
        if total <= filled:
            self._tell_replaced(order, replace, order.total, price_cents, old_open, hold_cents, events)
            self._take_out(order, replace.sequenced_us, events)
            return
        if replace.price_cents is not None:
            price_cents, hold_cents = replace.price_cents, replace.hold_cents or replace.price_cents
        self._tell_replaced(order, replace, total, price_cents, total - filled, hold_cents, events)
        keeps_place = price_cents == order.price_cents and total < order.total
        if isinstance(order, WaitingStop):
            terms = structs.replace(order.order, quantity=total, price_cents=price_cents, hold_cents=hold_cents)
            if keeps_place:
                order.order = terms
            else:
                book.forget(order)
                book.wait(terms)
        elif keeps_place:
            order.hold_cents = hold_cents
            book.shrink(order, total, replace.sequenced_us)
        else:
            book.remove(order, replace.sequenced_us)
            incoming = PlaceOrder(
                order_id=order.order_id,
                client_id=order.client_id,
                security_id=book.security_id,
                type="limit",
                side=order.side,
                quantity=total - filled,
                price_cents=price_cents,
                time_in_force="gtc",
                post_only=order.post_only,
                sequenced_us=replace.sequenced_us,
                display_quantity=order.display_quantity or None,
                hold_cents=hold_cents,
            )
            self._enter(book, incoming, total, "cancelled", events)
            if book.stops.waiting:
                self._trigger(book, _reached(book, 0, events), replace.sequenced_us, events)

    # -- halts -------------------------------------------------------------------------------------------------------

    def _set_halt(self, halt: SetHalt) -> None:
        if halt.halted:
            self._halted.add(halt.security_id)
            self._trading.pop(halt.security_id, None)
        else:
            self._halted.discard(halt.security_id)
            if halt.security_id in self._books:
                self._trading[halt.security_id] = self._books[halt.security_id]

    # -- events ------------------------------------------------------------------------------------------------------

    def _next_id(self, events: list[Event]) -> int:
        return self._first_id + self.seq * MAX_EVENTS_PER_COMMAND + len(events)

    def _take_out(self, order: OpenOrder, now_us: int, events: list[Event]) -> None:
        """Close an open order as its client asked for."""
        book = self._books[order.security_id]
        if isinstance(order, WaitingStop):
            book.forget(order)
            self._close(order.order, order.open_quantity, "cancelled", "cancelled", events, now_us=now_us)
            return
        quantity = book.remove(order, now_us)
        self._closed.add(order.order_id)
        events.append(
            OrderClosed(
                self._first_id + self.seq * MAX_EVENTS_PER_COMMAND + len(events),
                order.order_id,
                order.client_id,
                book.security_id,
                "buy" if order.key > 0 else "sell",
                quantity,
                order.hold_cents,
                "cancelled",
                "cancelled",
                now_us,
                order.price_cents,
            )
        )

    def _close(
        self,
        order: PlaceOrder,
        quantity: int,
        status: Refusal,
        reason: str,
        events: list[Event],
        *,
        now_us: int | None = None,
    ) -> None:
        """Close an order that came, with what is open of it; now unless otherwise said."""
        self._closed.add(order.order_id)
        events.append(
            OrderClosed(
                self._first_id + self.seq * MAX_EVENTS_PER_COMMAND + len(events),
                order.order_id,
                order.client_id,
                order.security_id,
                order.side,
                quantity,
                order.hold_cents or order.price_cents,
                status,
                reason,
                order.sequenced_us if now_us is None else now_us,
                order.price_cents if order.type in _LIMITED else None,
            )
        )

    def _refuse_cancel(self, cancel: CancelOrder, now_us: int, events: list[Event]) -> None:
        events.append(
            CancelRefused(
                self._first_id + self.seq * MAX_EVENTS_PER_COMMAND + len(events),
                cancel.order_id,
                cancel.client_id,
                cancel.security_id,
                "unknown_order",
                now_us,
            )
        )

    def _tell_replaced(
        self,
        order: OpenOrder,
        replace: ReplaceOrder,
        total: int,
        price_cents: int,
        open_quantity: int,
        hold_cents: int,
        events: list[Event],
    ) -> None:
        events.append(
            OrderReplaced(
                event_id=self._next_id(events),
                command_id=replace.command_id,
                order_id=order.order_id,
                client_id=order.client_id,
                security_id=order.security_id,
                side=order.side,
                quantity=total,
                price_cents=price_cents,
                old_open=order.open_quantity,
                old_hold_cents=order.hold_cents,
                open_quantity=open_quantity,
                hold_cents=hold_cents,
                reserved=replace.reserved,
                replaced_us=replace.sequenced_us,
            )
        )

    def _refuse_replace(self, replace: ReplaceOrder, reason: str, events: list[Event]) -> None:
        events.append(
            ReplaceRefused(
                event_id=self._next_id(events),
                command_id=replace.command_id,
                order_id=replace.order_id,
                client_id=replace.client_id,
                security_id=replace.security_id,
                side=replace.side,
                reserved=replace.reserved,
                reason=reason,
                refused_us=replace.sequenced_us,
            )
        )

    # -- what others see of the books --------------------------------------------------------------------------------

    def book_updates(self) -> list[BookUpdate]:
        """One update a security whose book changed since updates or snapshots were last asked for."""
        return [update for book in self._books.values() if (update := book.update()) is not None]

    def book_snapshots(self) -> list[BookUpdate]:
        """Every level of every book."""
        return [book.snapshot() for book in self._books.values()]

    def best_levels(self, security_id: str, depth: int) -> tuple[list[Level], list[Level]]:
        """The best levels of a security's bids and asks, at most so many of each, the best first."""
        book = self._books.get(security_id)
        return ([], []) if book is None else book.best_levels(depth)

    # -- snapshot and restore ----------------------------------------------------------------------------------------

    def state(self) -> EngineState:
        """All that the events of later commands depend on."""
        return EngineState(
            version=VERSION,
            shard=self.shard,
            seq=self.seq,
            books=[self._books[security_id].state() for security_id in sorted(self._books)],
            halted=sorted(self._halted),
            waiting=self._early_cancels.by_age(),
            closed=sorted(self._closed),
            closed_before=sorted(self._closed_before),
        )

    def state_hash(self) -> str:
        """The same for engines that are in the same state."""
        return digest(encode(self.state())).hex()

    @classmethod
    def restored(
        cls,
        state: EngineState,
        *,
        waiting_commands: int = WAITING_COMMANDS,
        remembered_orders: int = REMEMBERED_ORDERS,
    ) -> Engine:
        """An engine that goes on after the last command of a state."""
        engine = cls(state.shard, waiting_commands=waiting_commands, remembered_orders=remembered_orders)
        engine.seq = state.seq
        for book in state.books:
            engine._books[book.security_id] = Book.restored(book, engine._open_orders)
        engine._halted = set(state.halted)
        engine._trading = {name: book for name, book in engine._books.items() if name not in engine._halted}
        engine._early_cancels = EarlyCancels(state.waiting, commands=waiting_commands)
        engine._closed = set(state.closed)
        engine._closed_before = set(state.closed_before)
        return engine


def _reached(book: Book, since: int, events: list[Event]) -> list[PlaceOrder]:
    """The stop orders that the trades from events[since] on have reached; they wait no more."""
    prices_cents = [event.price_cents for event in events[since:] if type(event) is TradeMade]
    if not prices_cents:
        return []
    return book.triggered(lowest_cents=min(prices_cents), highest_cents=max(prices_cents))
