"""The matching engine of a shard: commands in, events out, and nothing else.

It is a pure function of the shard's log: no clock, no randomness, no floats. Events carry the time at which their
command was sequenced and ids made of the command's number, so whoever replays the log makes the same events. No
command raises; one that cannot be right is refused and leaves the books as they are.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from tasks.matching.book import Book, RestingOrder
from tasks.matching.state import VERSION, EngineState, WaitingCancel, digest, encode
from tasks.messages import (
    MAX_EVENTS_PER_COMMAND,
    BookUpdate,
    CancelOrder,
    CancelRefused,
    Command,
    Event,
    OrderClosed,
    PlaceOrder,
    event_id,
)

# How many commands a cancel waits for its order. Order entry sequences a cancel only of an order that is open or that
# it does not know yet, and an order that is on its way comes long before that.
WAITING_COMMANDS: Final = 100_000

# Of the orders that were closed the engine remembers at least so many, the latest, and at most about twice as many:
# a cancel of one of these is refused at once. Order entry refuses those of older ones itself, as it knows their
# state by then; should one come all the same, it waits and is refused then.
REMEMBERED_ORDERS: Final = 100_000

# An order can make a trade of each of its shares, and the events of a command are numbered up to a limit; the half
# that is left is for the cancels that waited for it.
MAX_QUANTITY: Final = MAX_EVENTS_PER_COMMAND // 2

_NEVER: Final = 2**62


class Engine:
    """The books of one shard's securities after command `seq` of its log."""

    __slots__ = (
        "_books",
        "_closed",
        "_closed_before",
        "_expiries",
        "_first_id",
        "_next_expiry",
        "_remembered_orders",
        "_waiting",
        "_waiting_commands",
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
        # Cancels that wait, by order, the oldest first; and when they expire, including some that wait no more.
        self._waiting: dict[int, list[WaitingCancel]] = {}
        self._expiries: deque[tuple[int, int]] = deque()  # (seq, order id)
        self._next_expiry = _NEVER
        self._waiting_commands = waiting_commands
        # Two generations of remembered orders; a full one takes the place of the one before it.
        self._closed: set[int] = set()
        self._closed_before: set[int] = set()
        self._remembered_orders = remembered_orders

    # -- the rules ---------------------------------------------------------------------------------------------------

    def apply(self, seq: int, command: Command) -> list[Event]:
        """The events of command `seq`, which has to be the next one of the log."""
        self.seq = seq
        events: list[Event] = []
        if seq > self._next_expiry:
            self._expire(events, command.sequenced_us)
        if type(command) is PlaceOrder:
            self._place(command, events)
        elif type(command) is CancelOrder:
            self._cancel(command, events)
        if events and len(self._closed) >= self._remembered_orders:
            self._closed_before, self._closed = self._closed, set()
        return events

    def _place(self, order: PlaceOrder, events: list[Event]) -> None:
        book = self._books.get(order.security_id)
        if book is None:
            book = self._books[order.security_id] = Book(order.security_id)
        if order.order_id in book.orders:
            self._close(order, order.quantity, "rejected", "duplicate_order", events)
        elif not 0 < order.quantity <= MAX_QUANTITY or order.price_cents <= 0:
            self._close(order, order.quantity, "rejected", "out_of_range", events)
        elif self._waiting and order.order_id in self._waiting and self._cancelled_before(order, events):
            self._close(order, order.quantity, "cancelled", "cancelled", events)
        elif book.meets(order):
            self._trade(book, order, events)
        elif order.time_in_force == "gtc" and order.type == "limit":
            book.rest(order, order.quantity)
        else:
            self._close(order, order.quantity, "cancelled", "unfilled", events)

    def _trade(self, book: Book, order: PlaceOrder, events: list[Event]) -> None:
        """An order whose limit reaches the other side."""
        if order.post_only:
            self._close(order, order.quantity, "rejected", "would_cross", events)
            return
        if order.time_in_force == "fok" and not book.could_fill(order):
            self._close(order, order.quantity, "cancelled", "unfilled", events)
            return
        first_id = self._first_id + self.seq * MAX_EVENTS_PER_COMMAND
        rest, met_own = book.match(order, first_id, events, self._closed)
        if not rest:
            self._closed.add(order.order_id)
        elif met_own:
            self._close(order, rest, "cancelled", "self_trade", events)
        elif order.time_in_force == "gtc" and order.type == "limit":
            book.rest(order, rest)
        else:
            self._close(order, rest, "cancelled", "unfilled", events)

    def _cancel(self, cancel: CancelOrder, events: list[Event]) -> None:
        book = self._books.get(cancel.security_id)
        order = book.orders.get(cancel.order_id) if book else None
        if book and order:
            if order.client_id == cancel.client_id:
                self._take_out(book, order, cancel, events)
            else:
                self._refuse(cancel, cancel.sequenced_us, events)
        elif self._has_seen(cancel.order_id):
            self._refuse(cancel, cancel.sequenced_us, events)
        else:
            self._waiting.setdefault(cancel.order_id, []).append(WaitingCancel(self.seq, cancel))
            self._expiries.append((self.seq, cancel.order_id))
            self._next_expiry = self._expiries[0][0] + self._waiting_commands

    def _has_seen(self, order_id: int) -> bool:
        """Whether an order is known to be closed, or rests in another book than its cancel says."""
        return (
            order_id in self._closed
            or order_id in self._closed_before
            or any(order_id in book.orders for book in self._books.values())
        )

    def _cancelled_before(self, order: PlaceOrder, events: list[Event]) -> bool:
        """Whether a cancel waited for the order; those that were not its client's, or came twice, are refused."""
        cancelled = False
        for waiting in self._waiting.pop(order.order_id):
            cancel = waiting.cancel
            if not cancelled and (cancel.client_id, cancel.security_id) == (order.client_id, order.security_id):
                cancelled = True
            else:
                self._refuse(cancel, order.sequenced_us, events)
        return cancelled

    def _expire(self, events: list[Event], now_us: int) -> None:
        """Refuse the cancels that have waited too long for their orders."""
        while self._expiries and self._expiries[0][0] + self._waiting_commands < self.seq:
            since, order_id = self._expiries.popleft()
            waiting = self._waiting.get(order_id)
            if waiting and waiting[0].seq == since:
                self._refuse(waiting.pop(0).cancel, now_us, events)
                if not waiting:
                    del self._waiting[order_id]
        self._next_expiry = self._expiries[0][0] + self._waiting_commands if self._expiries else _NEVER

    # -- events ------------------------------------------------------------------------------------------------------

    def _take_out(self, book: Book, order: RestingOrder, cancel: CancelOrder, events: list[Event]) -> None:
        quantity = book.remove(order, cancel.sequenced_us)
        self._closed.add(order.order_id)
        key = order.key
        events.append(
            OrderClosed(
                self._first_id + self.seq * MAX_EVENTS_PER_COMMAND + len(events),
                order.order_id,
                order.client_id,
                book.security_id,
                "buy" if key < 0 else "sell",
                quantity,
                abs(key),
                "cancelled",
                "cancelled",
                cancel.sequenced_us,
            )
        )

    def _close(
        self,
        order: PlaceOrder,
        quantity: int,
        status: Literal["cancelled", "rejected"],
        reason: str,
        events: list[Event],
    ) -> None:
        """Close an order that just came, with what is open of it."""
        self._closed.add(order.order_id)
        events.append(
            OrderClosed(
                self._first_id + self.seq * MAX_EVENTS_PER_COMMAND + len(events),
                order.order_id,
                order.client_id,
                order.security_id,
                order.side,
                quantity,
                order.price_cents,
                status,
                reason,
                order.sequenced_us,
            )
        )

    def _refuse(self, cancel: CancelOrder, now_us: int, events: list[Event]) -> None:
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

    # -- what others see of the books --------------------------------------------------------------------------------

    def book_updates(self) -> list[BookUpdate]:
        """One update a security whose book changed since updates or snapshots were last asked for."""
        return [update for book in self._books.values() if (update := book.update()) is not None]

    def book_snapshots(self) -> list[BookUpdate]:
        """Every level of every book."""
        return [book.snapshot() for book in self._books.values()]

    # -- snapshot and restore ----------------------------------------------------------------------------------------

    def state(self) -> EngineState:
        """All that the events of later commands depend on."""
        return EngineState(
            version=VERSION,
            shard=self.shard,
            seq=self.seq,
            books=[self._books[security_id].state() for security_id in sorted(self._books)],
            waiting=sorted((one for waiting in self._waiting.values() for one in waiting), key=lambda one: one.seq),
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
        engine._books = {book.security_id: Book.restored(book) for book in state.books}
        for one in state.waiting:
            engine._waiting.setdefault(one.cancel.order_id, []).append(one)
            engine._expiries.append((one.seq, one.cancel.order_id))
        if engine._expiries:
            engine._next_expiry = engine._expiries[0][0] + waiting_commands
        engine._closed = set(state.closed)
        engine._closed_before = set(state.closed_before)
        return engine
