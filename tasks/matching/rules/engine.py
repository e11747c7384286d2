"""The matching engine of a shard: commands in, events out, and nothing else.

It is a pure function of the shard's log: no clock, no randomness, no floats. Events carry the time at which their
command was sequenced, and ids derived from the command's number, so each replay of the log makes the same events. No
command raises; the engine refuses an invalid one and leaves the books as they are.
"""

from __future__ import annotations

from typing import Final

from tasks.matching.rules import phases, placing, replacing
from tasks.matching.rules.book import Book
from tasks.matching.rules.early_cancels import EarlyCancels
from tasks.matching.rules.indicative import NOTHING, Indication
from tasks.matching.rules.journal import Journal
from tasks.matching.rules.levels import RestingOrder
from tasks.matching.rules.placing import MAX_QUANTITY, follow_up, trade
from tasks.matching.rules.state import VERSION, EngineState, digest, encode
from tasks.matching.rules.waiting import OpenOrder
from tasks.messages import (
    MAX_EVENTS_PER_COMMAND,
    AdoptSecurity,
    AuctionUpdate,
    BookState,
    BookUpdate,
    CancelOrder,
    Command,
    Event,
    Expire,
    Level,
    MassCancel,
    PlaceOrder,
    ReleaseSecurity,
    ReplaceOrder,
    SecurityCommand,
)

# How many commands a cancel waits for its order. Order entry sequences a cancel only behind its order, so only older
# logs contain cancels that wait.
WAITING_COMMANDS: Final = 100_000

# The engine remembers at least this many of the most recently closed orders, and at most about twice this number: it
# refuses a cancel of one of these at once. Order entry itself refuses cancels of older orders, as it knows their state
# by then; if one arrives nevertheless, it waits and is refused then.
REMEMBERED_ORDERS: Final = 100_000


class Engine(Journal):
    """The books of one shard's securities after command `seq` of its log.

    It is its own journal: a separate one would make an order 2 % slower.
    """

    __slots__ = (
        "_adopted",
        "_books",
        "_early_cancels",
        "_open_orders",
        "_remembered_orders",
        "_trading",
        "shard",
    )

    def __init__(
        self, shard: int, *, waiting_commands: int = WAITING_COMMANDS, remembered_orders: int = REMEMBERED_ORDERS
    ) -> None:
        super().__init__(shard)
        self.shard = shard
        self._books: dict[str, Book] = {}
        self._trading: dict[str, Book] = {}  # the books in continuous trading
        self._open_orders: dict[int, OpenOrder] = {}  # of all books, resting or waiting
        self._early_cancels = EarlyCancels((), commands=waiting_commands)
        self._remembered_orders = remembered_orders
        self._adopted: set[str] = set()  # books that were adopted and not published since

    def apply(self, seq: int, command: Command) -> list[Event]:
        """Apply command `seq`, which must be the next one of the log, and return its events."""
        self.seq = seq
        events: list[Event] = []
        self.events = events
        if seq > self._early_cancels.next_expiry:
            for cancel in self._early_cancels.expired(seq):
                self.refuse_cancel(cancel, command.sequenced_us)
        if type(command) is PlaceOrder:
            self._place(command)
        elif type(command) is CancelOrder:
            self._cancel(command)
        elif type(command) is ReplaceOrder:
            self._replace(command)
        elif type(command) is MassCancel:
            self._cancel_all(command.order_ids, command.client_id, "cancelled", command.sequenced_us)
        elif type(command) is Expire:
            self._cancel_all(command.order_ids, None, command.reason, command.sequenced_us)
        elif isinstance(command, SecurityCommand):
            phases.change_security(self, self._book(command.security_id), command)
        elif type(command) is ReleaseSecurity:
            self._release(command.security_id)
        elif type(command) is AdoptSecurity:
            self._adopt(command)
        if events and len(self.closed) >= self._remembered_orders:
            self.closed_before, self.closed = self.closed, set()
        return events

    # -- orders ------------------------------------------------------------------------------------------------------

    def _place(self, order: PlaceOrder) -> None:
        try:
            book = self._trading[order.security_id]
        except KeyError:
            self._place_with_care(order)
            return
        quantity, price_cents = order.quantity, order.price_cents
        time_in_force = order.time_in_force
        if (
            order.type != "limit"
            or (time_in_force != "gtc" and time_in_force not in ("ioc", "fok"))
            or order.stop_price_cents is not None
            or order.display_quantity is not None
            or quantity <= 0
            or quantity > MAX_QUANTITY
            or price_cents <= 0
            or order.order_id in self._open_orders
            or order.order_id in self._early_cancels.by_order
        ):
            self._place_with_care(order)
            return
        # From here on as in placing.enter and placing.trade, without their calls: most orders take this path.
        if (book.best_ask >= -price_cents) if order.side == "buy" else (book.best_bid >= price_cents):
            if order.post_only or time_in_force == "fok" or not (book.band_ppm is None or book.is_within_band(order)):
                trade(self, book, order, quantity, "rejected")
            else:
                closed = self.closed
                rest, met_own = book.match(order, self.base + self.seq * MAX_EVENTS_PER_COMMAND, self.events, closed)
                if not rest:
                    closed.add(order.order_id)
                elif met_own:
                    self.close(order, rest, "cancelled", "self_trade", order.sequenced_us)
                elif time_in_force == "gtc":
                    book.rest(order, rest, quantity)
                else:
                    self.close(order, rest, "cancelled", "unfilled", order.sequenced_us)
            if book.stops.waiting:
                follow_up(self, book, order.sequenced_us)
        elif time_in_force == "gtc":
            book.rest(order, quantity, quantity)
        else:
            self.close(order, quantity, "cancelled", "unfilled", order.sequenced_us)

    def _place_with_care(self, order: PlaceOrder) -> None:
        """Place an order that is more than a limit order, or refuse an invalid one."""
        reason = "duplicate_order" if order.order_id in self._open_orders else placing.fault(order)
        if reason:
            self.close(order, order.quantity, "rejected", reason, order.sequenced_us)
        elif order.order_id in self._early_cancels.by_order and self._was_cancelled(order):
            self.close(order, order.quantity, "cancelled", "cancelled", order.sequenced_us)
        else:
            placing.place(self, self._book(order.security_id), order)

    def _book(self, security_id: str) -> Book:
        book = self._books.get(security_id)
        if book is None:
            book = self._books[security_id] = Book(security_id, self._open_orders, self._trading)
        return book

    def _was_cancelled(self, order: PlaceOrder) -> bool:
        """Return whether a cancel waited for the order; refuse cancels of other clients, and duplicates."""
        cancelled = False
        for cancel in self._early_cancels.take(order.order_id):
            if not cancelled and (cancel.client_id, cancel.security_id) == (order.client_id, order.security_id):
                cancelled = True
            else:
                self.refuse_cancel(cancel, order.sequenced_us)
        return cancelled

    # -- cancels and replacements ------------------------------------------------------------------------------------

    def _cancel(self, cancel: CancelOrder) -> None:
        now_us = cancel.sequenced_us
        order = self._open_orders.get(cancel.order_id)
        if order is None:
            if cancel.order_id in self.closed or cancel.order_id in self.closed_before:
                self.refuse_cancel(cancel, now_us)
            else:
                self._early_cancels.add(self.seq, cancel)
        elif order.client_id != cancel.client_id or order.security_id != cancel.security_id:
            self.refuse_cancel(cancel, now_us)
        elif type(order) is RestingOrder:
            # As in phases.withdraw, without its call.
            self.cancel(order, self._books[order.security_id].remove(order, now_us), "cancelled", now_us)
        else:
            phases.withdraw(self, self._books[order.security_id], order, "cancelled", now_us)

    def _cancel_all(self, order_ids: list[int], client_id: str | None, reason: str, now_us: int) -> None:
        """Cancel the open orders among these; if a client is named, only its own."""
        for order_id in order_ids:
            order = self._open_orders.get(order_id)
            if order is not None and client_id in (None, order.client_id) and len(self.events) < MAX_EVENTS_PER_COMMAND:
                phases.withdraw(self, self._books[order.security_id], order, reason, now_us)

    def _replace(self, replace: ReplaceOrder) -> None:
        order = self._open_orders.get(replace.order_id)
        if order is None or order.client_id != replace.client_id or order.security_id != replace.security_id:
            self.refuse_replace(replace, "unknown_order")
            return
        book = self._books[order.security_id]
        reason = replacing.refusal(book, order, replace)
        if reason:
            self.refuse_replace(replace, reason)
        else:
            replacing.change(self, book, order, replace)

    # -- moves to another shard --------------------------------------------------------------------------------------

    def _release(self, security_id: str) -> None:
        """Forget a book, whose orders another shard has from now on."""
        book = self._books.pop(security_id, None)
        if book is not None:
            self._trading.pop(security_id, None)
            self._adopted.discard(security_id)
            for order in book.open_orders():
                del self._open_orders[order.order_id]

    def _adopt(self, adopt: AdoptSecurity) -> None:
        """Continue the book of another shard; a shard adopts a security that it has never had."""
        if adopt.security_id not in self._books:
            self._books[adopt.security_id] = Book.restored(adopt.book, self._open_orders, self._trading)
            self._adopted.add(adopt.security_id)
            self.closed.update(adopt.closed)

    def book_state(self, security_id: str) -> BookState:
        """Return the book of a security as values, with which another shard can continue it."""
        return self._book(security_id).state()

    def recently_closed(self) -> set[int]:
        """Return the most recently closed orders, at least REMEMBERED_ORDERS of them if there were as many."""
        return self.closed | self.closed_before

    # -- the public view of the books --------------------------------------------------------------------------------

    def book_updates(self) -> list[BookUpdate]:
        """Return an update of each book that has changed since the last updates or snapshots.

        Of an adopted book the other shard may not have published all changes, so its first update is a snapshot.
        """
        if self._adopted:
            adopted, self._adopted = self._adopted, set()
            whole = [self._books[security_id].snapshot() for security_id in sorted(adopted)]
            return whole + self.book_updates()
        return [update for book in self._books.values() if (update := book.update()) is not None]

    def book_snapshots(self) -> list[BookUpdate]:
        """Return every level of every book."""
        self._adopted.clear()
        return [book.snapshot() for book in self._books.values()]

    def best_levels(self, security_id: str, depth: int) -> tuple[list[Level], list[Level]]:
        """Return the best levels of a security's bids and asks, at most `depth` of each, the best first."""
        book = self._books.get(security_id)
        return ([], []) if book is None else book.best_levels(depth)

    def indicative(self, security_id: str) -> Indication:
        """Return the outcome of a security's auction if it ended now; NOTHING outside of auctions."""
        book = self._books.get(security_id)
        return NOTHING if book is None or book.auction is None else book.indication()

    def auction_updates(self) -> list[AuctionUpdate]:
        """Return an update of each auction whose indicative outcome has changed since the last updates."""
        return [update for book in self._books.values() if (update := book.auction_update()) is not None]

    def auction_snapshots(self) -> list[AuctionUpdate]:
        """Return the indicative outcome of every auction."""
        return [update for book in self._books.values() if (update := book.auction_update(always=True)) is not None]

    # -- snapshot and restore ----------------------------------------------------------------------------------------

    def state(self) -> EngineState:
        """Return everything on which the events of later commands depend."""
        return EngineState(
            version=VERSION,
            shard=self.shard,
            seq=self.seq,
            books=[self._books[security_id].state() for security_id in sorted(self._books)],
            waiting=self._early_cancels.by_age(),
            closed=sorted(self.closed),
            closed_before=sorted(self.closed_before),
        )

    def state_hash(self) -> str:
        """Return a hash that is equal for engines in the same state."""
        return digest(encode(self.state())).hex()

    @classmethod
    def restored(
        cls,
        state: EngineState,
        *,
        waiting_commands: int = WAITING_COMMANDS,
        remembered_orders: int = REMEMBERED_ORDERS,
    ) -> Engine:
        """Return an engine that continues after the last command of a state."""
        engine = cls(state.shard, waiting_commands=waiting_commands, remembered_orders=remembered_orders)
        engine.seq = state.seq
        for book in state.books:
            engine._books[book.security_id] = Book.restored(book, engine._open_orders, engine._trading)
        engine._early_cancels = EarlyCancels(state.waiting, commands=waiting_commands)
        engine.closed = set(state.closed)
        engine.closed_before = set(state.closed_before)
        return engine
