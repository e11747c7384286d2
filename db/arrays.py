"""Columns of values as Postgres arrays, to pass many rows to one statement.

psycopg2 would write a list as an expression, which Postgres parses value by value; it reads the text form of an array
at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec


def array(values: Iterable[int | str | None]) -> str:
    """Return a column of integers, strings or None as the text of an array, which escapes and quotes as JSON does."""
    return "{" + msgspec.json.encode(list(values)).decode()[1:-1] + "}"


def arrays(names: Sequence[str], rows: Iterable[Sequence[int | str | None]]) -> dict[str, str]:
    """Return rows as one array for each column, by its name; the rows must not be empty."""
    return {name: array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
