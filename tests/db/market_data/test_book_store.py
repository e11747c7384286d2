from __future__ import annotations

from sqlalchemy import text

from db.connect import Database
from db.market_data import book_store, reads, report_store
from db.market_data.book_store import StoredChanges
from db.market_data.report_store import NewNames
from db.statements import one_transaction
from tasks.data_feed.rules.books import changes_of
from tasks.messages import BookUpdate
from tests.support.feed import NOW_US, book_update


def store(market_data: Database, *updates: BookUpdate) -> StoredChanges:
    changes = changes_of(updates)
    names = sorted({change.security_id for change in changes})
    report_store.add_names(market_data, NewNames([], [], names))
    with one_transaction(market_data) as statements:
        numbered = report_store.number(
            statements, counts={}, securities=(), settled=(), stamps=0, books=names, now_us=NOW_US
        )
        return book_store.store_books(statements, numbered.books, changes)


def bids(market_data: Database) -> list[tuple[int, int, int]]:
    with market_data.snapshot() as tx:
        book = reads.book(tx, "MSFT")
    assert book is not None
    return book.bids


def rows(market_data: Database) -> list[tuple[int, int, int]]:
    with market_data.snapshot() as tx:
        found = tx.execute(text("SELECT price_cents, quantity, sequence FROM book_levels ORDER BY price_cents"))
        return [tuple(row) for row in found]


def test_an_older_update_changes_only_levels_that_no_newer_one_names(market_data: Database) -> None:
    store(market_data, book_update(3, previous=2, bids=[(9_990, 5, 1)]))
    late = store(market_data, book_update(2, previous=0, bids=[(9_990, 9, 1), (9_980, 4, 1)]))
    assert bids(market_data) == [(9_990, 5, 1), (9_980, 4, 1)]
    # A subscriber has the newer update and cannot apply the older one any more: it gets the whole book.
    assert late.changes == []
    assert [book.bids for book in late.books] == [[(9_990, 5, 1), (9_980, 4, 1)]]


def test_a_removed_level_does_not_come_back(market_data: Database) -> None:
    store(market_data, book_update(1, bids=[(9_990, 5, 1)]), book_update(2, bids=[(9_990, 0, 0)]))
    again = store(market_data, book_update(1, bids=[(9_990, 5, 1)]))
    assert bids(market_data) == []
    assert again == StoredChanges([], [], [])


def test_a_snapshot_replaces_all_older_levels(market_data: Database) -> None:
    store(market_data, book_update(2, previous=0, bids=[(9_990, 5, 1), (9_980, 4, 1)]))
    store(market_data, book_update(9, previous=8, bids=[(9_970, 1, 1)]))
    store(market_data, book_update(6, previous=2, snapshot=True, bids=[(9_960, 3, 1)]))
    assert bids(market_data) == [(9_970, 1, 1), (9_960, 3, 1)]
    store(market_data, book_update(5, bids=[(9_950, 1, 1)]))
    assert bids(market_data) == [(9_970, 1, 1), (9_960, 3, 1)]


def test_a_forgotten_level_does_not_come_back(market_data: Database) -> None:
    store(market_data, book_update(1, bids=[(9_990, 5, 1), (9_980, 4, 1)]), book_update(2, bids=[(9_990, 0, 0)]))
    with market_data.transaction() as tx:
        assert book_store.sequences(tx) == {"MSFT": 2}
        book_store.forget_levels(tx, {"MSFT": 1})
    assert rows(market_data) == [(9_980, 4, 1), (9_990, 0, 2)]
    with market_data.transaction() as tx:
        book_store.forget_levels(tx, {"MSFT": 2})
    assert rows(market_data) == [(9_980, 4, 1)]
    store(market_data, book_update(1, bids=[(9_990, 5, 1)]))
    assert rows(market_data) == [(9_980, 4, 1)]
    store(market_data, book_update(3, bids=[(9_990, 6, 1)]))
    assert bids(market_data) == [(9_990, 6, 1), (9_980, 4, 1)]


def test_a_snapshot_repairs_updates_lost_before_the_last_forgotten_level(market_data: Database) -> None:
    """Change 1 was lost; change 2 removed a level, which is forgotten; no change followed."""
    store(market_data, book_update(2, previous=0, asks=[(10_010, 0, 0)]))
    with market_data.transaction() as tx:
        book_store.forget_levels(tx, {"MSFT": 2})
    store(market_data, book_update(1, bids=[(9_990, 5, 1)]))  # too late
    assert bids(market_data) == []
    mended = store(market_data, book_update(2, previous=2, snapshot=True, bids=[(9_990, 5, 1)]))
    assert bids(market_data) == [(9_990, 5, 1)]
    assert [book.bids for book in mended.books] == [[(9_990, 5, 1)]]


def test_changes_continue_from_the_stored_book(market_data: Database) -> None:
    stored = store(market_data, book_update(1, bids=[(9_990, 5, 1)]), book_update(2, asks=[(10_010, 1, 1)]))
    assert [(change.previous_sequence, change.sequence) for change in stored.changes] == [(0, 2)]
    assert stored.books == []
