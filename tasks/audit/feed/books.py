"""Rule 8: the stored books equal those that follow from the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from db.clearing_data.log.order_log import read_commands
from db.connect import Database
from db.market_data import reads
from tasks.audit.clearing.replay import PAGE
from tasks.audit.common.patience import Patience
from tasks.audit.common.result import CheckResult
from tasks.data_feed.rules.rows import Book, Level, Price
from tasks.matching.rules.engine import Engine
from tasks.messages import BookUpdate, Expire, MassCancel, ReleaseSecurity


class StoredBook(NamedTuple):
    """A stored book with its best and last prices."""

    book: Book
    price: Price

    @property
    def sequence(self) -> int:
        """The last stored change of the book."""
        return self.book.sequence

    def is_same(self, ours: BookUpdate) -> bool:
        """Return whether the stored book equals the engine's."""
        book, price = self.book, self.price
        return (book.sequence, book.bids, book.asks, price.bid_cents, price.ask_cents, price.last_cents) == (
            (ours.sequence, ours.bids, ours.asks, ours.bid_cents, ours.ask_cents, ours.last_cents)
        )


def check_books(clearing_data: Database, market_data: Database, engine: Engine, patience: Patience) -> CheckResult:
    """Check that each stored book of a shard equals the engine's after the same change.

    The feed keeps storing meanwhile, so the replayed engine continues through the log until it has made the change
    with which the book was stored. If the stored book is behind, the check waits for it.
    """
    differing = {book.security_id for book in engine.book_snapshots() if book.sequence}
    checked = CheckResult(len(differing))
    while True:
        stored = _read_books(market_data, differing)
        replayed = _follow(clearing_data, engine, {security_id: book.sequence for security_id, book in stored.items()})
        # A security that has moved meanwhile belongs to another shard's replay.
        differing &= replayed.keys()
        differing = {name for name in differing if name not in stored or not stored[name].is_same(replayed[name])}
        if not patience.wait(len(differing)):
            break
    for security_id in sorted(differing):
        checked.find(_difference(stored.get(security_id), replayed[security_id]))
    return checked


def _read_books(market_data: Database, security_ids: Iterable[str]) -> dict[str, StoredBook]:
    with market_data.snapshot() as tx:
        found = {name: (reads.book(tx, name), reads.price(tx, name)) for name in security_ids}
    return {name: StoredBook(book, price) for name, (book, price) in found.items() if book and price}


def _follow(clearing_data: Database, engine: Engine, sequences: Mapping[str, int]) -> dict[str, BookUpdate]:
    """Continue the replay until every book has reached its sequence; return each book at that sequence."""
    books = {book.security_id: book for book in engine.book_snapshots()}
    ahead = {name: sequence for name, sequence in sequences.items() if sequence > books[name].sequence}
    while ahead:
        with clearing_data.snapshot() as tx:
            commands = read_commands(tx, engine.shard, after_seq=engine.seq, limit=PAGE)
        if not commands:
            break  # the book was stored with a change that does not follow from the log
        for seq, command in commands:
            engine.apply(seq, command)
            if isinstance(command, ReleaseSecurity):
                books.pop(command.security_id, None)
                ahead.pop(command.security_id, None)
                continue
            names_others = not isinstance(command, MassCancel | Expire) and command.security_id not in ahead
            if names_others or not _has_arrived(engine.book_updates(), ahead):
                continue
            arrived = [book for book in engine.book_snapshots() if _has_arrived([book], ahead)]
            for book in arrived:
                books[book.security_id] = book
                del ahead[book.security_id]
            if not ahead:
                break
    return books


def _has_arrived(books: Iterable[BookUpdate], ahead: Mapping[str, int]) -> bool:
    return any(book.security_id in ahead and book.sequence >= ahead[book.security_id] for book in books)


def _difference(stored: StoredBook | None, ours: BookUpdate) -> str:
    """Return the first difference between a stored book and the engine's."""
    name = f"the book of {ours.security_id}"
    if stored is None:
        return f"{name} is not stored; the replay has change {ours.sequence} of it"
    if stored.sequence != ours.sequence:
        return f"{name} is stored with change {stored.sequence}; the replay has {ours.sequence}"
    for side, theirs, replayed in (("buy", stored.book.bids, ours.bids), ("sell", stored.book.asks, ours.asks)):
        for price_cents, *_ in sorted(set(theirs).symmetric_difference(replayed)):
            return (
                f"{name} at change {ours.sequence}, {side} {price_cents}: "
                f"stored {_level(theirs, price_cents)}, replayed {_level(replayed, price_cents)}"
            )
    return f"{name} at change {ours.sequence} is stored with {stored.price}; the replay has {ours}"


def _level(levels: Iterable[Level], price_cents: int) -> str:
    quantity, orders = next((level[1:] for level in levels if level[0] == price_cents), (0, 0))
    return f"{quantity} shares of {orders} orders"
