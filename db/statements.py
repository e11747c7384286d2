"""Statements that go to Postgres together: one round trip for all of them.

A batch of one order costs a dozen statements, and nearly all of their time goes to round trips to Postgres, and to
planning statements that were planned a moment ago. Each statement still sees what was committed before it began, as if
it had been sent alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg2
from msgspec import Struct
from sqlalchemy import Connection

from db.connect import Database, copy_rows, is_read_only, refuse_control_characters

# Up to this many rows, an INSERT among the other statements costs less than a COPY, which takes two round trips.
FEW_ROWS = 16
# Up to this many rows, a prepared INSERT is worth an additional statement on each connection.
PREPARED_ROWS = 4

# How old a plan may become [s]: tables grow, and one that was empty has a plan that reads all of it.
REPLAN_S = 5.0

_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")


class Statements:
    """The waiting statements of a transaction, in their order.

    Errors are psycopg2's own, not wrapped by SQLAlchemy: psycopg2.Error, and ValueError for characters that Postgres
    does not accept in text.
    """

    def __init__(self, tx: Connection) -> None:
        self.tx = tx
        driver: Any = tx.connection.driver_connection
        self._cursor = driver.cursor()
        self._waiting: list[bytes] = []

    def add(self, statement: str, parameters: Sequence[object] = ()) -> None:
        """Add a statement; its parameters are `%s`."""
        self._waiting.append(self._cursor.mogrify(statement, parameters) if parameters else statement.encode())

    def add_prepared(self, name: str, statement: str, parameters: Sequence[object]) -> None:
        """Add a statement that the connection keeps parsed and planned; its parameters are `$1`, `$2`, ...

        name  identifies the statement on every connection
        """
        prepared = self.tx.info.setdefault("prepared", set())  # as long as the connection lives
        if name not in prepared:
            self._cursor.execute(f"PREPARE {name} AS {statement}")
            prepared.add(name)
        values = f" ({', '.join(['%s'] * len(parameters))})" if parameters else ""
        self.add(f"EXECUTE {name}{values}", parameters)

    def insert(
        self,
        table: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[object] | Struct],
        constants: Mapping[str, object] | None = None,
    ) -> None:
        """Add the insertion of a few rows; run waiting statements and insert at once if the rows are many.

        The arguments are those of `copy_rows`.
        raises  psycopg2.errors.UniqueViolation  a row exists already
                ValueError                       a control character in a string
        """
        if not rows:
            return
        if len(rows) > FEW_ROWS:
            self.run()
            copy_rows(self.tx, table, columns, rows, constants)
            return
        refuse_control_characters(msgspec.json.encode(rows))
        if constants:
            columns = (*columns, *constants)
            rows = [(*_values(row), *constants.values()) for row in rows]
        if len(rows) <= PREPARED_ROWS:
            self._insert_prepared(table, columns, rows)
            return
        of_row = f"({', '.join(['%s'] * len(columns))})"
        values = b", ".join(self._cursor.mogrify(of_row, _values(row)) for row in rows)
        self._waiting.append(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ".encode() + values)  # noqa: S608

    def _insert_prepared(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object] | Struct]) -> None:
        width = len(columns)
        of_rows = [
            f"({', '.join(f'${place}' for place in range(width * n + 1, width * n + width + 1))})"
            for n in range(len(rows))
        ]
        self.add_prepared(
            f"insert_{table}_{width}_{len(rows)}",
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join(of_rows)}",  # noqa: S608 - names of ours
            [value for row in rows for value in _values(row)],
        )

    def roll_back(self) -> bool:
        """Discard waiting statements and end an open transaction; return False if the connection is unusable."""
        self._waiting.clear()
        try:
            self._cursor.execute("ROLLBACK")
        except psycopg2.Error:
            return False
        return True

    def run(self) -> list[tuple[Any, ...]]:
        """Run the waiting statements; return the rows of the last one, an empty list if it has none."""
        if not self._waiting:
            return []
        self._cursor.execute(b"; ".join(self._waiting))
        self._waiting.clear()
        return self._cursor.fetchall() if self._cursor.description else []


@contextmanager
def one_transaction(database: Database) -> Iterator[Statements]:
    """Open a transaction whose BEGIN and COMMIT travel with the statements next to them; it ends as `transaction` does.

    raises  psycopg2.Error  also if the outcome of the COMMIT is unknown
    """
    with database.engine.connect() as tx:
        driver: Any = tx.connection.driver_connection
        # SQLAlchemy's isolation level "AUTOCOMMIT" would set the level of the session, in a round trip of its own.
        driver.autocommit = True
        statements = Statements(tx)
        if time.monotonic() - tx.info.setdefault("planned_at", time.monotonic()) > REPLAN_S:
            tx.info["planned_at"] = time.monotonic()
            statements.add("DISCARD PLANS")
        statements.add("BEGIN")
        try:
            yield statements
            statements.add("COMMIT")
            statements.run()
        except BaseException as fault:
            if is_read_only(fault) or not statements.roll_back():
                tx.invalidate()
                raise
            driver.autocommit = False
            raise
        driver.autocommit = False


class PreparedQuery:
    """A query that each connection parses and plans once.

    Planning a query over all partitions takes longer than running it. The plan may be as old as the connection, so the
    query must name rows by keys: its plan must be good for any number of rows.
    """

    def __init__(self, name: str, query: str) -> None:
        """Take a query whose parameters are `:parameter`; the name identifies it on every connection."""
        self._name = name
        self._parameters = tuple(dict.fromkeys(_PARAMETER.findall(query)))
        places = {parameter: f"${place}" for place, parameter in enumerate(self._parameters, 1)}
        self._query = _PARAMETER.sub(lambda found: places[found[1]], query)
        self._execute = f"EXECUTE {name} ({', '.join(['%s'] * len(self._parameters))})"

    def run(self, tx: Connection, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Run the query; it raises what `tx.execute` raises."""
        prepared = tx.info.setdefault("prepared", set())
        if self._name not in prepared:
            tx.exec_driver_sql(f"PREPARE {self._name} AS {self._query}".replace("%", "%%"))
            prepared.add(self._name)
        found = tx.exec_driver_sql(self._execute, tuple(parameters[name] for name in self._parameters))
        return [tuple(row) for row in found]


def run_prepared(tx: Connection, name: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a single prepared statement, as Statements does, and return its rows."""
    statements = Statements(tx)
    statements.add_prepared(name, statement, parameters)
    return statements.run()


def _values(row: Sequence[object] | Struct) -> Sequence[object]:
    """Return the values of a row, beginning with the tag of a tagged Struct, as in its JSON."""
    if not isinstance(row, Struct):
        return row
    values, tag = msgspec.structs.astuple(row), row.__struct_config__.tag
    return values if tag is None else (tag, *values)
