"""Rule 6, and the reference for rules 3, 7 and 8: the log, replayed by the pure engine.

The log never changes once it is written, so it is read page by page, each in a short transaction: a long one would keep
Postgres from vacuuming the accounts, which change all the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from db.clearing_data.log.order_log import read_commands
from db.clearing_data.snapshots import newest_first
from db.connect import Database
from tasks.audit.clearing.snapshots import fault_of, is_comparable
from tasks.audit.common.result import CheckResult
from tasks.matching.rules.engine import Engine
from tasks.messages import (
    AdoptSecurity,
    BookState,
    Command,
    Event,
    OrderClosed,
    OrderReplaced,
    PlaceOrder,
    ReleaseSecurity,
    TradeMade,
)

# Commands replayed at a time.
PAGE = 10_000


class Replay:
    """One shard's log up to command `head`.

    engine  the engine after the last replayed command
    states  comparison with the snapshots of the live engine (rule 6)
    orders  comparison of the open quantities by the orders' events with the book (rule 7)

    released  the books that have left the shards replayed so far, by security; replays of all shards share it
    """

    def __init__(
        self, clearing_data: Database, shard: int, head: int, released: dict[str, BookState] | None = None
    ) -> None:
        self._released = {} if released is None else released
        self.engine = Engine(shard)
        self.states = CheckResult()
        self.orders = CheckResult()
        self._clearing_data = clearing_data
        self._shard = shard
        self._head = head
        self._open: dict[int, int] = {}  # shares of each order, from its events

    def events(self) -> Iterator[list[Event]]:
        """Replay the log to its end; yield the events of each page of commands, in their order."""
        hashes = self._read_hashes()
        while (after_seq := self.engine.seq) < self._head:
            limit = min(PAGE, self._head - after_seq)
            with self._clearing_data.snapshot() as tx:
                commands = read_commands(tx, self._shard, after_seq=after_seq, limit=limit)
            if not commands or any(seq != expected for expected, (seq, _) in enumerate(commands, after_seq + 1)):
                self.states.find(f"the log of shard {self._shard} has a gap behind command {after_seq}; not replayed")
                return
            yield self._apply(commands, hashes)
        self._compare_open_orders()

    def _apply(self, commands: Iterable[tuple[int, Command]], hashes: Mapping[int, str]) -> list[Event]:
        events: list[Event] = []
        for seq, command in commands:
            if type(command) is PlaceOrder:
                self._open[command.order_id] = command.quantity
            elif type(command) is ReleaseSecurity:
                self._release(self.engine.book_state(command.security_id))
            elif type(command) is AdoptSecurity:
                self._adopt(command)
            for event in self.engine.apply(seq, command):
                events.append(event)
                if type(event) is TradeMade:
                    self._take(event.buy_order_id, event.quantity)
                    self._take(event.sell_order_id, event.quantity)
                elif type(event) is OrderClosed:
                    self._take(event.order_id, event.quantity)
                elif type(event) is OrderReplaced:
                    self._take(event.order_id, event.old_open - event.open_quantity)
            if seq in hashes:
                self._check_state(hashes[seq])
        return events

    # -- orders ----------------------------------------------------------------------------------------------------

    def _take(self, order_id: int, quantity: int) -> None:
        rest = self._open.pop(order_id, 0) - quantity
        if rest:
            self._open[order_id] = rest

    def _release(self, book: BookState) -> None:
        """Compare the orders that leave the shard with their events, and keep the book for the shard that adopts it."""
        for order_id, in_book in _open_in([book]).items():
            by_events = self._open.pop(order_id, 0)
            if in_book != by_events:
                self.orders.find(f"order {order_id} left with {in_book} shares; its events leave {by_events}")
        self._released[book.security_id] = book

    def _adopt(self, adopt: AdoptSecurity) -> None:
        """Check that a book arrives as it left: securities move to shards that are replayed later."""
        self.states.checked += 1
        if adopt.book != self._released.get(adopt.security_id):
            self.states.find(
                f"{adopt.security_id} reached shard {self._shard} with another book than it left shard "
                f"{adopt.from_shard} with"
            )
        self._open |= _open_in([adopt.book])

    def _compare_open_orders(self) -> None:
        resting = _open_in(self.engine.state().books)
        self.orders.checked += len(resting)
        for order_id in sorted(resting.keys() | self._open.keys()):
            in_book, by_events = resting.get(order_id, 0), self._open.get(order_id, 0)
            if in_book != by_events:
                self.orders.find(f"order {order_id} has {in_book} shares in the book; its events leave {by_events}")

    # -- snapshots -------------------------------------------------------------------------------------------------

    def _read_hashes(self) -> dict[int, str]:
        """Return the state hashes that the live engine stored, by command."""
        hashes: dict[int, str] = {}
        with self._clearing_data.snapshot() as tx:
            for snapshot in newest_first(tx, self._shard, at_most=self._head):
                fault = fault_of(self._shard, snapshot)
                if fault is not None:
                    self.states.find(fault)
                if snapshot.is_intact and is_comparable(snapshot):
                    hashes[snapshot.seq] = snapshot.state_hash
        return hashes

    def _check_state(self, live_hash: str) -> None:
        self.states.checked += 1
        replayed_hash = self.engine.state_hash()
        if replayed_hash != live_hash:
            self.states.find(
                f"shard {self._shard} had the state {live_hash} after command {self.engine.seq}; "
                f"the replay has {replayed_hash}"
            )


def _open_in(books: Iterable[BookState]) -> dict[int, int]:
    """Return the open shares of the orders in these books, by order."""
    found: dict[int, int] = {}
    for book in books:
        found |= {order.order_id: order.quantity + order.hidden for order in (*book.bids, *book.asks)}
        found |= {order.order_id: order.quantity for order in (*book.stops, *book.for_auction)}
    return found
