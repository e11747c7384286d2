"""The databases as tests find them: `clearing_data` as a new exchange has it, `market_data` without a row."""

from __future__ import annotations

import time

from sqlalchemy import Connection, MetaData, text

from celery_app.settings import settings
from db.clearing_data import initial_data
from db.clearing_data import tables as clearing_tables
from db.connect import Database
from db.market_data import tables as market_tables

# From here on DELETE takes longer than the 30 ms that TRUNCATE takes.
_LARGE_BYTES = 1 << 20

_LARGE = text("SELECT relname FROM pg_class WHERE relkind = 'r' AND pg_relation_size(oid) > :bytes")
_RESTART = text("SELECT setval(seqrelid, seqstart, false) FROM pg_sequence")


def renew_clearing_data(database: Database) -> None:
    """Forget everything, and load the initial data."""
    with database.transaction() as tx:
        _empty(tx, clearing_tables.metadata)
        initial_data.load(tx, shards=settings().shards, now_us=time.time_ns() // 1_000)


def renew_market_data(database: Database) -> None:
    """Forget everything."""
    with database.transaction() as tx:
        _empty(tx, market_tables.metadata)


def _empty(tx: Connection, metadata: MetaData) -> None:
    # Triggers do not fire, so that what is append-only can be emptied, too.
    tx.execute(text("SET LOCAL session_replication_role = replica"))
    large = set(tx.execute(_LARGE, {"bytes": _LARGE_BYTES}).scalars())
    for table in reversed(metadata.sorted_tables):
        tx.execute(text(f"TRUNCATE {table.name}" if table.name in large else f"DELETE FROM {table.name}"))
    tx.execute(_RESTART)
