"""Rule 8: what the feed has stored has no gap, and ends in the books that the log makes."""

from __future__ import annotations

from sqlalchemy import Connection

from db.clearing_data.order_log import read_commands
from db.connect import Database
from db.market_data import reads
from db.market_data.rows import Book
from tasks.audit.contiguity import check_contiguous
from tasks.audit.patience import Patience
from tasks.audit.result import Checked
from tasks.matching.engine import Engine
from tasks.messages import BookUpdate

_PAGE = 10_000


def check_sequences(tx: Connection) -> Checked:
    """The reports of each client and the prices of each security are numbered without a gap."""
    reports = check_contiguous(
        tx, "reports", group="client_id", number="sequence", heads="report_heads", head="sequence"
    )
    prices = check_contiguous(
        tx, "prices", group="security_id", number="sequence", heads="books", head="price_sequence"
    )
    return reports + prices


def check_books(clearing_data: Database, market_data: Database, engine: Engine, patience: Patience) -> Checked:
    """Each stored book of a shard is the one that the engine has after the same change.

    The feed goes on storing meanwhile, so the engine, which was replayed up to somewhere, goes on through the log until
    it has made the change that the book was stored with. A stored book that is behind is waited for.
    """
    differing = {book.security_id for book in engine.book_snapshots()}
    checked = Checked(len(differing))
    while True:
        with market_data.snapshot() as tx:
            stored = {security_id: reads.book(tx, security_id) for security_id in differing}
        books = _follow(clearing_data, engine, {name: book.sequence for name, book in stored.items() if book})
        differing = {name for name, book in stored.items() if not _is_same(book, books[name])}
        if not patience.wait(len(differing)):
            break
    for security_id in sorted(differing):
        checked.find(_difference(stored[security_id], books[security_id]))
    return checked


def _follow(clearing_data: Database, engine: Engine, sequences: dict[str, int]) -> dict[str, BookUpdate]:
    """Replay on until every book has come to its sequence; returns the books, each as it was then."""
    books = {book.security_id: book for book in engine.book_snapshots()}
    ahead = {name for name, sequence in sequences.items() if sequence > books[name].sequence}
    while ahead:
        with clearing_data.snapshot() as tx:
            commands = read_commands(tx, engine.shard, after_seq=engine.seq, limit=_PAGE)
        if not commands:
            break  # it was stored with a change that the log does not make
        for seq, command in commands:
            engine.apply(seq, command)
            if command.security_id not in ahead:
                continue
            arrived = {
                book.security_id
                for book in engine.book_updates()
                if book.sequence >= sequences.get(book.security_id, 0)
            } & ahead
            if arrived:
                books |= {book.security_id: book for book in engine.book_snapshots() if book.security_id in arrived}
                ahead -= arrived
            if not ahead:
                break
    return books


def _is_same(stored: Book | None, ours: BookUpdate) -> bool:
    return stored is not None and (stored.sequence, stored.bids, stored.asks) == (ours.sequence, ours.bids, ours.asks)


def _difference(stored: Book | None, ours: BookUpdate) -> str:
    """Where a stored book first differs from the engine's."""
    if stored is None:
        return f"the book of {ours.security_id} is not stored; the replay has change {ours.sequence} of it"
    if stored.sequence != ours.sequence:
        return f"the book of {ours.security_id} is stored with change {stored.sequence}; the replay has {ours.sequence}"
    levels = {"buy": (stored.bids, ours.bids), "sell": (stored.asks, ours.asks)}
    side, price_cents = min(
        (side, level[0]) for side, both in levels.items() for level in set(both[0]).symmetric_difference(both[1])
    )
    return (
        f"the book of {ours.security_id} at change {ours.sequence}, {side} {price_cents}: "
        f"stored {_level(levels[side][0], price_cents)}, replayed {_level(levels[side][1], price_cents)}"
    )


def _level(levels: list[tuple[int, int, int]], price_cents: int) -> str:
    quantity, orders = next((level[1:] for level in levels if level[0] == price_cents), (0, 0))
    return f"{quantity} shares of {orders} orders"
