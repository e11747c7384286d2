"""Writes the books to `market_data`: levels, best prices and the number of their changes.

Updates may arrive late, twice and out of order. Each level is stored as of the last update that names it, so the order
of the updates does not matter. A removed level stays with quantity 0, or an older update would bring it back. It is
forgotten once no update of that age can arrive any more; the book's floor refuses an update that arrives nevertheless.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import Connection, CursorResult, TextClause, text

from db.arrays import array, arrays
from db.connect import copy_rows
from db.market_data.reads import book
from tasks.data_feed.rules.rows import Book, BookChange, Price
from tasks.messages import Side

_ADD_BOOKS = text("""
    INSERT INTO books (security_id) SELECT * FROM unnest(CAST(:securities AS text[])) ON CONFLICT DO NOTHING
""")
_LOCK_BOOKS = text("""
    SELECT security_id, update_sequence, floor_sequence, price_sequence, bid_cents, ask_cents, last_cents, updated_us
    FROM books WHERE security_id = ANY(CAST(:securities AS text[])) ORDER BY security_id FOR UPDATE
""")
_WRITE_BOOKS = text("""
    UPDATE books SET
        update_sequence = new.update_sequence, floor_sequence = new.floor_sequence, price_sequence = new.price_sequence,
        bid_cents = new.bid_cents, ask_cents = new.ask_cents, last_cents = new.last_cents, updated_us = new.updated_us
    FROM unnest(
        CAST(:security_id AS text[]), CAST(:update_sequence AS bigint[]), CAST(:floor_sequence AS bigint[]),
        CAST(:price_sequence AS bigint[]), CAST(:bid_cents AS bigint[]), CAST(:ask_cents AS bigint[]),
        CAST(:last_cents AS bigint[]), CAST(:updated_us AS bigint[])
    ) AS new (security_id, update_sequence, floor_sequence, price_sequence,
              bid_cents, ask_cents, last_cents, updated_us)
    WHERE books.security_id = new.security_id
""")
_CLEAR_LEVELS = text("DELETE FROM book_levels WHERE security_id = :security_id AND sequence <= :sequence")
_MERGE_LEVELS = """
    INSERT INTO book_levels AS old (security_id, side, price_cents, quantity, orders, sequence)
    SELECT * FROM unnest(
        CAST(:security_id AS text[]), CAST(:side AS text[]), CAST(:price_cents AS bigint[]),
        CAST(:quantity AS bigint[]), CAST(:orders AS bigint[]), CAST(:sequence AS bigint[]))
    ON CONFLICT (security_id, side, price_cents) DO UPDATE
    SET quantity = excluded.quantity, orders = excluded.orders, sequence = excluded.sequence
    WHERE old.sequence < excluded.sequence
"""
_MERGE_LATE_LEVELS = text(_MERGE_LEVELS + "RETURNING security_id, sequence")
_MERGE_NEW_LEVELS = text(_MERGE_LEVELS)
_FORGET_LEVELS = text("""
    WITH gone AS (
        DELETE FROM book_levels USING unnest(CAST(:securities AS text[]), CAST(:sequences AS bigint[]))
            AS old (security_id, sequence)
        WHERE book_levels.security_id = old.security_id AND book_levels.quantity = 0
            AND book_levels.sequence <= old.sequence
        RETURNING book_levels.security_id, book_levels.sequence
    )
    UPDATE books SET floor_sequence = greatest(floor_sequence, last.sequence)
    FROM (SELECT security_id, max(sequence) AS sequence FROM gone GROUP BY security_id) AS last
    WHERE books.security_id = last.security_id
""")


class StoredChanges(Struct, frozen=True):
    """The changes of books that subscribers have to receive.

    changes  changes that continue from the stored book
    books    whole books into which a change has been inserted that is older than the stored book
    prices   best and last prices that differ from the stored ones
    """

    changes: list[BookChange]
    books: list[Book]
    prices: list[Price]


class _Head(Struct, array_like=True):
    """A row of `books`."""

    security_id: str
    update_sequence: int
    floor_sequence: int
    price_sequence: int
    bid_cents: int | None
    ask_cents: int | None
    last_cents: int | None
    updated_us: int

    @property
    def prices(self) -> tuple[int | None, int | None, int | None]:
        return self.bid_cents, self.ask_cents, self.last_cents


def store_books(tx: Connection, changes: Sequence[BookChange]) -> StoredChanges:
    """Store the changes of books; the changes of one security are in the order of their sequences."""
    if not changes:
        return StoredChanges([], [], [])
    heads = _lock(tx, sorted({change.security_id for change in changes}))
    prices_before = {head.security_id: head.prices for head in heads.values()}
    newer: list[BookChange] = []
    late: set[tuple[str, int]] = set()
    mended: set[str] = set()
    levels: dict[tuple[str, Side, int], tuple[int, int, int]] = {}
    for change in changes:
        head = heads[change.security_id]
        for (side, price_cents), level in change.levels.items():
            # A snapshot at the floor repeats the levels there, and names those that were never stored.
            if head.floor_sequence < level[2] or head.floor_sequence == level[2] == change.snapshot:
                levels[change.security_id, side, price_cents] = level
                if level[2] <= head.update_sequence:
                    late.add((change.security_id, level[2]))
        if change.snapshot and change.snapshot >= head.floor_sequence:
            tx.execute(_CLEAR_LEVELS, {"security_id": change.security_id, "sequence": change.snapshot})
            if change.snapshot <= head.update_sequence:
                mended.add(change.security_id)
            head.floor_sequence = change.snapshot
        if change.sequence > head.update_sequence:
            _move_on(head, change)
            newer.append(change)
    if late:
        stored = _merge_levels(tx, _MERGE_LATE_LEVELS, levels)
        mended |= {row.security_id for row in stored if (row.security_id, row.sequence) in late}
    elif levels:
        _merge_levels(tx, _MERGE_NEW_LEVELS, levels)
    prices = [_next_price(head) for head in heads.values() if head.prices != prices_before[head.security_id]]
    _write_heads(tx, heads.values())
    if prices:
        copy_rows(tx, "prices", Price.__struct_fields__, prices)
    return StoredChanges(
        changes=[change for change in newer if change.security_id not in mended],
        books=[whole for security in sorted(mended) if (whole := book(tx, security)) is not None],
        prices=prices,
    )


def sequences(tx: Connection) -> dict[str, int]:
    """Return the last stored change of each book."""
    return {row.security_id: row.update_sequence for row in tx.execute(text("SELECT * FROM books"))}


def forget_levels(tx: Connection, sequences_before: Mapping[str, int]) -> None:
    """Forget the levels removed at or before the given change of each book; no older update may arrive any more."""
    if sequences_before:
        securities = sorted(sequences_before)
        _lock(tx, securities)
        tx.execute(
            _FORGET_LEVELS,
            {"securities": array(securities), "sequences": array(sequences_before[s] for s in securities)},
        )


def _lock(tx: Connection, securities: list[str]) -> dict[str, _Head]:
    rows = tx.execute(_LOCK_BOOKS, {"securities": array(securities)}).all()
    if len(rows) < len(securities):
        tx.execute(_ADD_BOOKS, {"securities": array(securities)})
        rows = tx.execute(_LOCK_BOOKS, {"securities": array(securities)}).all()
    return {row.security_id: _Head(*row) for row in rows}


def _move_on(head: _Head, change: BookChange) -> None:
    head.update_sequence = change.sequence
    head.bid_cents = change.bid_cents
    head.ask_cents = change.ask_cents
    head.last_cents = change.last_cents
    head.updated_us = change.updated_us


def _next_price(head: _Head) -> Price:
    head.price_sequence += 1
    return Price(head.security_id, head.price_sequence, *head.prices, head.updated_us)


def _merge_levels(
    tx: Connection, statement: TextClause, levels: Mapping[tuple[str, Side, int], tuple[int, int, int]]
) -> CursorResult[Any]:
    # In the order of their keys, or two workers could wait for each other.
    rows = [(*key, *level) for key, level in sorted(levels.items())]
    names = ("security_id", "side", "price_cents", "quantity", "orders", "sequence")
    return tx.execute(statement, arrays(names, rows))


def _write_heads(tx: Connection, heads: Iterable[_Head]) -> None:
    tx.execute(_WRITE_BOOKS, arrays(_Head.__struct_fields__, map(astuple, heads)))
