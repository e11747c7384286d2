"""Columns of values as Postgres arrays, to give many rows to one statement.

psycopg2 would write a list as an expression, which Postgres has to parse value by value; an array in its text form it
reads at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec


def array(values: Iterable[int | str | None]) -> str:
    """A column of integers, strings or None in the text form of an array, which escapes and quotes as JSON does."""
    return "{" + msgspec.json.encode(list(values)).decode()[1:-1] + "}"


def arrays(names: Sequence[str], rows: Iterable[Sequence[int | str | None]]) -> dict[str, str]:
    """Rows as one array a column, by the columns' names; there has to be a row."""
    return {name: array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
