"""A transaction whose BEGIN and COMMIT travel with its statements; and queries that a connection prepares."""

from __future__ import annotations

import psycopg2
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INTRANS
from sqlalchemy import Connection, text

from db.connect import Database
from db.statements import FEW_ROWS, PREPARED_ROWS, PreparedQuery, one_transaction

COLUMNS = ("security_id", "sequence", "updated_us")


def rows(database: Database) -> list[int]:
    with database.snapshot() as tx:
        return list(tx.execute(text("SELECT sequence FROM prices ORDER BY sequence")).scalars())


def status(tx: Connection) -> int:
    return int(tx.connection.driver_connection.info.transaction_status)  # type: ignore[union-attr]


def test_it_begins_with_the_first_statement_and_ends_with_the_last(market_data: Database) -> None:
    with one_transaction(market_data) as statements:
        statements.insert("prices", COLUMNS, [("MSFT", 1, 1)])
        assert status(statements.tx) == TRANSACTION_STATUS_IDLE, "nothing was sent yet"
        statements.run()
        assert status(statements.tx) == TRANSACTION_STATUS_INTRANS
        assert rows(market_data_of_another(market_data)) == []
        statements.insert("prices", COLUMNS, [("MSFT", 2, 1)])
    assert rows(market_data) == [1, 2]


def market_data_of_another(database: Database) -> Database:
    """Return the database as another process sees it."""
    return Database(database.engine.url.render_as_string(hide_password=False))


@pytest.mark.parametrize("count", [1, PREPARED_ROWS, PREPARED_ROWS + 1, FEW_ROWS, FEW_ROWS + 1])
def test_any_number_of_rows_is_inserted_once(market_data: Database, count: int) -> None:
    with one_transaction(market_data) as statements:
        statements.insert("prices", COLUMNS, [("MSFT", number, 1) for number in range(count)])
    assert rows(market_data) == list(range(count))


def test_a_failure_leaves_nothing_and_a_usable_connection(market_data: Database) -> None:
    with pytest.raises(psycopg2.errors.UniqueViolation), one_transaction(market_data) as statements:
        statements.insert("prices", COLUMNS, [("MSFT", 1, 1), ("MSFT", 2, 1), ("MSFT", 1, 1)])
    assert rows(market_data) == []
    with one_transaction(market_data) as statements:
        statements.insert("prices", COLUMNS, [("MSFT", 3, 1)])
    assert rows(market_data) == [3]


def test_a_lost_connection_is_replaced(market_data: Database) -> None:
    with pytest.raises(psycopg2.OperationalError), one_transaction(market_data) as statements:
        statements.add("SELECT pg_terminate_backend(pg_backend_pid())")
    with one_transaction(market_data) as statements:
        statements.insert("prices", COLUMNS, [("MSFT", 4, 1)])
    assert rows(market_data) == [4]


def test_a_prepared_query_takes_its_parameters_by_name(market_data: Database) -> None:
    query = PreparedQuery("sums", "SELECT CAST(:left AS bigint) - :right, 7 % :left")
    for _ in range(2):
        with market_data.snapshot() as tx:
            assert query.run(tx, {"right": 2, "left": 5}) == [(3, 2)]
