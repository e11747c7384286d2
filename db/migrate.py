"""Brings both databases to the newest version of their tables, and creates missing databases.

Migrating again changes nothing, and processes that migrate at the same time wait for each other, so every start may
migrate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from db.connect import Database
from db.market_data.partitions import create_ahead

CLEARING_DATA_MIGRATIONS = Path(__file__).parent / "clearing_data" / "migrations"
MARKET_DATA_MIGRATIONS = Path(__file__).parent / "market_data" / "migrations"

# An arbitrary number: the name of the lock under which one process at a time migrates.
_MIGRATION_LOCK = 7_266_001
# How long a standby may lag when a database is created [s].
_REPLAY_S = 60.0


class DatabaseMissing(Exception):
    """A database does not exist, and this user may not create it."""


def migrate(clearing_data_url: str, market_data_url: str) -> None:
    """Migrate both databases to their newest versions.

    raises  DatabaseMissing             a database does not exist and the user may not create it
            sqlalchemy.exc.DBAPIError   Postgres cannot be reached
    """
    upgrade(clearing_data_url, CLEARING_DATA_MIGRATIONS)
    upgrade(market_data_url, MARKET_DATA_MIGRATIONS)
    market_data = Database(str(_with_driver(market_data_url).render_as_string(hide_password=False)))
    try:
        # Before rows are stored; the feed creates partitions later that cannot be created while the exchange runs.
        create_ahead(market_data, now_us=time.time_ns() // 1_000)
    finally:
        market_data.engine.dispose()


def upgrade(url: str, migrations: Path, version: str = "head") -> None:
    """Migrate one database with the history in a folder, in one transaction; it raises as `migrate` does."""
    _create_if_missing(_with_driver(url))
    with _migrating(url, migrations) as configuration:
        command.upgrade(configuration, version)


def downgrade(url: str, migrations: Path, version: str) -> None:
    """Take one database back to an older version, in one transaction."""
    with _migrating(url, migrations) as configuration:
        command.downgrade(configuration, version)


@contextmanager
def _migrating(url: str, migrations: Path) -> Iterator[Config]:
    engine = create_engine(_with_driver(url))
    try:
        with engine.begin() as tx:
            tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            configuration = Config()
            configuration.set_main_option("script_location", str(migrations).replace("%", "%%"))
            configuration.attributes["connection"] = tx
            yield configuration
    finally:
        engine.dispose()


def _with_driver(url: str) -> URL:
    """Name psycopg2 as the driver, because SQLAlchemy 2.1 uses psycopg 3 for a bare postgresql://."""
    return make_url(url).set(drivername="postgresql+psycopg2")


def _create_if_missing(address: URL) -> None:
    engine = create_engine(address, connect_args={"connect_timeout": 4})
    try:
        engine.connect().close()
    except OperationalError:
        # libpq gives no reason for a failed connection, so ask Postgres whether the database exists.
        if _exists(address):
            raise
        _create(address)
        _wait_until_known(engine)
    finally:
        engine.dispose()


def _wait_until_known(engine: Engine) -> None:
    """Wait until a standby that libpq asks first has replayed the creation; libpq asks no other one after it."""
    deadline = time.monotonic() + _REPLAY_S
    while True:
        try:
            engine.connect().close()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _exists(address: URL) -> bool:
    engine = create_engine(address.set(database="postgres"), connect_args={"connect_timeout": 4})
    try:
        with engine.connect() as tx:
            found = tx.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": address.database})
            return found.first() is not None
    finally:
        engine.dispose()


def _create(address: URL) -> None:
    engine = create_engine(address.set(database="postgres"), isolation_level="AUTOCOMMIT")
    quoted = engine.dialect.identifier_preparer.quote_identifier(address.database or "")
    try:
        with engine.connect() as tx:
            tx.execute(text(f"CREATE DATABASE {quoted} ENCODING 'UTF8' TEMPLATE template0"))
    except ProgrammingError as refusal:
        if not _exists(address):
            raise DatabaseMissing(
                f"the database {address.database} does not exist and {address.username} may not create it: "
                f"create it, or grant the user CREATEDB, and start again"
            ) from refusal
    except DBAPIError:
        if not _exists(address):  # another process created it in between
            raise
    finally:
        engine.dispose()
