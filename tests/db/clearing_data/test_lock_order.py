"""Transactions lock the same rows in the same order, so that they cannot deadlock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from psycopg2.errors import LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from db.clearing_data.clearing import settlement
from db.clearing_data.log import admission
from db.connect import Database
from db.statements import Statements
from tasks.messages import SetHalt
from tests.support.trading import open_accounts


def waits(clearing_data: Database) -> bool:
    """Return whether a transaction waits for a lock of another one."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with clearing_data.transaction() as tx:  # within one transaction Postgres keeps showing the same activity
        return bool(tx.execute(text(query)).scalar_one())


def is_locked(tx: Connection, row: str) -> bool:
    """Return whether another transaction has locked a row."""
    try:
        tx.execute(text(f"{row} FOR UPDATE NOWAIT"))
    except OperationalError as fault:
        if not isinstance(fault.orig, LockNotAvailable):
            raise
        return True
    return False


def assert_locks_first(
    clearing_data: Database, *, first: str, second: str, lock: Callable[[Connection], object]
) -> None:
    """Check that a transaction that needs both rows waits for the first before it locks the second."""

    def want_both() -> None:
        with clearing_data.transaction() as tx:
            lock(tx)

    with clearing_data.transaction() as tx, clearing_data.transaction() as other:
        tx.execute(text(f"{first} FOR UPDATE"))
        waiting = threading.Thread(target=want_both)
        waiting.start()
        try:
            deadline_s = time.monotonic() + 30
            while not waits(clearing_data):
                assert time.monotonic() < deadline_s, "it does not lock the first row"
                time.sleep(0.01)
            assert not is_locked(other, second), "it has locked the second row, and waits for the first one"
        finally:
            tx.rollback()
            other.rollback()
            waiting.join()


def account(client_id: str) -> str:
    return f"SELECT FROM accounts WHERE client_id = '{client_id}'"


def shard(number: int) -> str:
    return f"SELECT FROM shards WHERE shard = {number}"


@pytest.fixture(autouse=True)
def accounts(clearing_data: Database) -> None:
    open_accounts(clearing_data)


def test_order_entry_locks_accounts_by_name(clearing_data: Database) -> None:
    assert_locks_first(
        clearing_data,
        first=account("ANN"),
        second=account("BOB"),
        lock=lambda tx: admission.lock_and_read(Statements(tx), ["BOB", "ANN"], []),
    )


def test_order_execution_locks_accounts_by_name(clearing_data: Database) -> None:
    def lock(tx: Connection) -> None:
        statements = Statements(tx)
        settlement.lock_accounts(statements, ["BOB", "ANN"])
        statements.run()

    assert_locks_first(clearing_data, first=account("ANN"), second=account("BOB"), lock=lock)


def test_shards_are_locked_by_number(clearing_data: Database) -> None:
    commands = {1: [SetHalt(1, "AAPL", True, 1)], 0: [SetHalt(2, "MSFT", True, 1)]}
    assert_locks_first(
        clearing_data,
        first=shard(0),
        second=shard(1),
        lock=lambda tx: admission.append(Statements(tx), commands),  # type: ignore[arg-type]
    )
