"""Statements in one round trip: in their order, each sees the ones before it, and all or none take effect."""

from __future__ import annotations

import pytest
from psycopg2.errors import UniqueViolation
from sqlalchemy import text

from celery_app.settings import settings
from db.connect import Database
from db.statements import FEW_ROWS, Statements

COLUMNS = ("command_id", "reason")


def denials(database: Database) -> list[tuple[int, str]]:
    with database.transaction() as tx:
        return [tuple(row) for row in tx.execute(text("SELECT command_id, reason FROM denials ORDER BY command_id"))]


@pytest.mark.parametrize("count", [0, 1, FEW_ROWS, FEW_ROWS + 1])
def test_rows_are_inserted_between_the_statements_around_them(clearing_data: Database, count: int) -> None:
    with clearing_data.transaction() as tx:
        statements = Statements(tx)
        statements.add("INSERT INTO denials VALUES (%s, %s)", (0, "first"))
        statements.insert("denials", COLUMNS, [(number, "a") for number in range(1, count + 1)])
        statements.add("UPDATE denials SET reason = reason || %s", ("!",))
        statements.add("SELECT count(*) FROM denials")
        assert statements.run() == [(count + 1,)]
        assert statements.run() == []
    assert denials(clearing_data) == [(0, "first!"), *((number, "a!") for number in range(1, count + 1))]


DENY_ONE = "INSERT INTO denials VALUES ($1, $2)"


def test_a_prepared_statement_lasts_as_long_as_its_connection(clearing_data: Database) -> None:
    one_connection = Database(settings().clearing_data_url.get_secret_value())
    for number in (1, 2, 3, 4):
        with one_connection.transaction() as tx:
            statements = Statements(tx)
            statements.add_prepared("deny_one", DENY_ONE, (number, "a"))
            statements.run()
            if number == 1:
                tx.rollback()
        if number == 3:
            with one_connection.engine.connect() as connection:
                connection.invalidate()  # as when Postgres closes the connection
    one_connection.engine.dispose()
    assert denials(clearing_data) == [(2, "a"), (3, "a"), (4, "a")]


def insert(database: Database, rows: list[tuple[int, str]]) -> None:
    with database.transaction() as tx:
        statements = Statements(tx)
        statements.insert("denials", COLUMNS, rows)
        statements.run()


@pytest.mark.parametrize("count", [2, FEW_ROWS + 2])
def test_a_duplicate_row_undoes_the_transaction(clearing_data: Database, count: int) -> None:
    with pytest.raises(UniqueViolation):
        insert(clearing_data, [(number // 2, "a") for number in range(count)])
    assert denials(clearing_data) == []


@pytest.mark.parametrize("count", [1, FEW_ROWS + 1])
@pytest.mark.parametrize("reason", ["a\nb", "a\x00b", "\t"])
def test_control_characters_are_refused_among_few_rows_and_many(
    clearing_data: Database, count: int, reason: str
) -> None:
    with pytest.raises(ValueError, match="control character"):
        insert(clearing_data, [(number, reason) for number in range(count)])


def test_text_that_looks_like_sql_stays_text(clearing_data: Database) -> None:
    nasty = """'); DROP TABLE denials; -- %s "$1" \\"""
    with clearing_data.transaction() as tx:
        statements = Statements(tx)
        statements.insert("denials", COLUMNS, [(1, nasty)])
        statements.add_prepared("deny_two", "INSERT INTO denials VALUES ($1, $2)", (2, nasty))
        statements.run()
    assert denials(clearing_data) == [(1, nasty), (2, nasty)]
