"""Writes the books to `market_data`: levels, best prices and the number of their changes.

Updates may arrive late, twice and out of order. Each level is stored as of the last update that names it, so the order
of the updates does not matter. A removed level stays with quantity 0; otherwise an older update would bring it back. It
is deleted once no update of that age can arrive any more; the book's floor refuses one that arrives nevertheless.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import Connection, text

from db.arrays import array
from db.market_data.reads import book
from db.statements import Statements
from tasks.data_feed.rules.rows import Book, BookChange, Price
from tasks.messages import Side

# Its columns are those of BookHead.
LOCK_BOOKS = """
    SELECT security_id, update_sequence, floor_sequence, price_sequence, bid_cents, ask_cents, last_cents, updated_us
    FROM books WHERE security_id = ANY(CAST({securities} AS text[])) ORDER BY security_id FOR UPDATE
"""
_LOCK_BOOKS = text(LOCK_BOOKS.format(securities=":securities"))
_WRITE_BOOKS = """
    UPDATE books SET
        update_sequence = new.update_sequence, floor_sequence = new.floor_sequence, price_sequence = new.price_sequence,
        bid_cents = new.bid_cents, ask_cents = new.ask_cents, last_cents = new.last_cents, updated_us = new.updated_us
    FROM unnest(
        $1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[]
    ) AS new (security_id, update_sequence, floor_sequence, price_sequence,
              bid_cents, ask_cents, last_cents, updated_us)
    WHERE books.security_id = new.security_id
"""
_CLEAR_LEVELS = "DELETE FROM book_levels WHERE security_id = %s AND sequence <= %s"
_MERGE_LEVELS = """
    INSERT INTO book_levels AS old (security_id, side, price_cents, quantity, orders, sequence)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    ON CONFLICT (security_id, side, price_cents) DO UPDATE
    SET quantity = excluded.quantity, orders = excluded.orders, sequence = excluded.sequence
    WHERE old.sequence < excluded.sequence
"""
_MERGE_LATE_LEVELS = _MERGE_LEVELS + "RETURNING security_id, sequence"
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
    """The changes of books that subscribers must receive.

    changes  changes that continue from the stored book
    books    whole books into which a change has been inserted that is older than the stored book
    prices   best and last prices that differ from the stored ones
    """

    changes: list[BookChange]
    books: list[Book]
    prices: list[Price]


class BookHead(Struct, array_like=True):
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


def store_books(statements: Statements, heads: Mapping[str, BookHead], changes: Sequence[BookChange]) -> StoredChanges:
    """Store the changes of books; the changes of one security are in the order of their sequences.

    statements  most of them wait, and the next statement that runs sends them along
    heads       of the securities; the transaction has locked them
    """
    if not changes:
        return StoredChanges([], [], [])
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
            statements.add(_CLEAR_LEVELS, (change.security_id, change.snapshot))
            if change.snapshot <= head.update_sequence:
                mended.add(change.security_id)
            head.floor_sequence = change.snapshot
        if change.sequence > head.update_sequence:
            _move_on(head, change)
            newer.append(change)
    if late:
        _merge_levels(statements, "merge_late_levels", _MERGE_LATE_LEVELS, levels)
        mended |= {security_id for security_id, sequence in statements.run() if (security_id, sequence) in late}
    elif levels:
        _merge_levels(statements, "merge_levels", _MERGE_LEVELS, levels)
    prices = [_next_price(head) for head in heads.values() if head.prices != prices_before[head.security_id]]
    _write_heads(statements, heads.values())
    statements.insert("prices", Price.__struct_fields__, prices)
    if mended:
        statements.run()
    return StoredChanges(
        changes=[change for change in newer if change.security_id not in mended],
        books=[whole for security in sorted(mended) if (whole := book(statements.tx, security)) is not None],
        prices=prices,
    )


def sequences(tx: Connection) -> dict[str, int]:
    """Return the last stored change of each book."""
    return {row.security_id: row.update_sequence for row in tx.execute(text("SELECT * FROM books"))}


def forget_levels(tx: Connection, sequences_before: Mapping[str, int]) -> None:
    """Delete the levels removed at or before the given change of each book; no older update may arrive any more."""
    if sequences_before:
        securities = sorted(sequences_before)
        tx.execute(_LOCK_BOOKS, {"securities": array(securities)})
        tx.execute(
            _FORGET_LEVELS,
            {"securities": array(securities), "sequences": array(sequences_before[s] for s in securities)},
        )


def _move_on(head: BookHead, change: BookChange) -> None:
    head.update_sequence = change.sequence
    head.bid_cents = change.bid_cents
    head.ask_cents = change.ask_cents
    head.last_cents = change.last_cents
    head.updated_us = change.updated_us


def _next_price(head: BookHead) -> Price:
    head.price_sequence += 1
    return Price(head.security_id, head.price_sequence, *head.prices, head.updated_us)


def _merge_levels(
    statements: Statements,
    name: str,
    statement: str,
    levels: Mapping[tuple[str, Side, int], tuple[int, int, int]],
) -> None:
    # In the order of their keys; otherwise two workers could wait for each other.
    rows = [(*key, *level) for key, level in sorted(levels.items())]
    statements.add_prepared(name, statement, tuple(map(array, zip(*rows, strict=True))))


def _write_heads(statements: Statements, heads: Iterable[BookHead]) -> None:
    columns = zip(*map(astuple, heads), strict=True)
    statements.add_prepared("write_books", _WRITE_BOOKS, tuple(map(array, columns)))
