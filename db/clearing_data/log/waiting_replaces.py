"""Replacements that arrived at order entry before their orders, and wait a moment for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection

from db.arrays import array
from db.statements import Statements
from tasks.messages import ReplaceRequest

_request_of = msgspec.json.Decoder(ReplaceRequest).decode

_ENTER = """
    INSERT INTO waiting_replaces (command_id, client_id, since_us, request)
    SELECT command_id, client_id, CAST(%s AS bigint), request
    FROM unnest(CAST(%s AS bigint[]), CAST(%s AS text[]), CAST(%s AS text[])) AS new (command_id, client_id, request)
    ON CONFLICT (command_id) DO NOTHING
"""


def decode(text: str) -> ReplaceRequest:
    """Return the replacement of a row."""
    return _request_of(text)


def enter(statements: Statements, requests: Sequence[ReplaceRequest], *, since_us: int) -> None:
    """Let replacements wait; those that already wait keep waiting."""
    if requests:
        columns = (
            array([one.command_id for one in requests]),
            array([one.client_id for one in requests]),
            array([msgspec.json.encode(one).decode() for one in requests]),
        )
        statements.add(_ENTER, (since_us, *columns))


def leave(statements: Statements, command_ids: Collection[int]) -> None:
    """End the wait of replacements that have been decided; ignore those that do not wait."""
    if command_ids:
        statements.add("DELETE FROM waiting_replaces WHERE command_id = ANY(%s)", (list(command_ids),))


def overdue(tx: Connection, *, since_us: int) -> list[ReplaceRequest]:
    """Return the replacements that have waited at least since a time, in the order of their numbers."""
    rows = tx.exec_driver_sql(
        "SELECT request FROM waiting_replaces WHERE since_us <= %s ORDER BY command_id", (since_us,)
    )
    return [decode(row.request) for row in rows]
