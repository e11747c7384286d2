"""How many bytes an exchange's databases have written and hold."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from bench.target.exchange import Exchange
from db.connect import Database


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes of Postgres: what its whole server has written to the log (WAL), and what both databases take on disk."""

    wal_bytes: int
    disk_bytes: int

    def since(self, before: Stored) -> Stored:
        """Return the growth since an earlier moment."""
        return Stored(self.wal_bytes - before.wal_bytes, self.disk_bytes - before.disk_bytes)


def stored(exchange: Exchange) -> Stored:
    """Measure the databases of an exchange."""
    with exchange.clearing_data.snapshot() as tx:
        wal_bytes = tx.execute(text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")).scalar_one()
    return Stored(int(wal_bytes), sum(_size(database) for database in (exchange.clearing_data, exchange.market_data)))


def _size(database: Database) -> int:
    with database.snapshot() as tx:
        return int(tx.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
