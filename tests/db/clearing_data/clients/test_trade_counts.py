"""Counting continues after the last counted trade, and includes trades that are committed late."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from db.clearing_data.clients import trade_counts
from db.clearing_data.clients.trade_counts import TradeCounts
from db.connect import Database


def book(tx: Connection, account: str, *, kind: str = "trade") -> None:
    tx.execute(text("SELECT FROM accounts WHERE client_id = 'SINGLE' FOR SHARE"))  # as a booking locks an account
    tx.execute(
        text(
            "INSERT INTO ledger (cash_cents, shares, booked_us, kind, account, contra_account) "
            "VALUES (1, 0, 1, :kind, :account, 'DTCC')"
        ),
        {"kind": kind, "account": account},
    )


def count(database: Database, counts: TradeCounts) -> dict[str, int]:
    with database.snapshot() as tx:
        counts.advance(tx)
    with database.snapshot() as tx:
        return dict(counts.read(tx))


@pytest.fixture(autouse=True)
def _none_is_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trade_counts, "FEW", 0)


def test_trades_alone_count_and_each_once(clearing_data: Database) -> None:
    counts = TradeCounts()
    assert count(clearing_data, counts) == {}
    for _ in range(3):
        with clearing_data.transaction() as tx:
            book(tx, "ANN")
            book(tx, "ANN", kind="fee")
            book(tx, "BOB")
        before = count(clearing_data, counts)
        assert count(clearing_data, counts) == before
    assert before == {"ANN": 3, "BOB": 3}


def test_an_entry_that_is_committed_after_later_ones_counts(clearing_data: Database) -> None:
    counts = TradeCounts()
    with clearing_data.transaction() as slow:
        book(slow, "ANN")
        with clearing_data.transaction() as tx:
            book(tx, "BOB")
        for _ in range(3):
            assert count(clearing_data, counts) == {"BOB": 1}
    for _ in range(3):
        assert count(clearing_data, counts) == {"ANN": 1, "BOB": 1}


def test_many_are_counted_in_steps(clearing_data: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trade_counts, "STEP", 3)
    with clearing_data.transaction() as tx:
        for _ in range(20):
            book(tx, "ANN")
    counts = TradeCounts()
    looks = 0
    done = False
    while not done:
        looks += 1
        with clearing_data.snapshot() as tx:
            done = counts.advance(tx)
    assert looks > 20 / 3
    assert count(clearing_data, counts) == {"ANN": 20}


def test_a_new_database_is_counted_from_the_start(clearing_data: Database) -> None:
    counts = TradeCounts()
    with clearing_data.transaction() as tx:
        book(tx, "ANN")
        tx.execute(text("SELECT setval(pg_get_serial_sequence('ledger', 'entry_id'), 1000)"))
        book(tx, "ANN")
    for _ in range(3):
        assert count(clearing_data, counts) == {"ANN": 2}
    with clearing_data.transaction() as tx:
        tx.execute(text("SET LOCAL session_replication_role = replica"))
        tx.execute(text("DELETE FROM ledger WHERE entry_id > 1000"))
    assert count(clearing_data, counts) == {"ANN": 1}
