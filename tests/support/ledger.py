"""Changing the ledger in tests: its owner can lift its protection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text


@contextmanager
def unprotected(tx: Connection, *tables: str) -> Iterator[None]:
    """Let these append-only tables, by default the ledger, take UPDATE, DELETE and TRUNCATE inside the block."""
    for name in tables or ("ledger",):
        tx.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER append_only"))
    yield
    for name in tables or ("ledger",):
        tx.execute(text(f"ALTER TABLE {name} ENABLE TRIGGER append_only"))
