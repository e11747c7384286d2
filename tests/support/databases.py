"""The databases as tests find them: `clearing_data` of a new exchange, `market_data` without rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from sqlalchemy import Connection, MetaData, create_engine, make_url, text

from celery_app.settings import settings
from db.clearing_data import initial_data
from db.clearing_data import tables as clearing_tables
from db.connect import Database
from db.market_data import tables as market_tables
from db.migrate import MARKET_DATA_MIGRATIONS, upgrade
from deploy import database_users

CLEARING_DATA_URL, MARKET_DATA_URL = "CLEARING_DATA_URL", "MARKET_DATA_URL"

# With more rows DELETE takes longer than the 30 ms of TRUNCATE.
_LARGE_BYTES = 1 << 20

_LARGE = text("SELECT relname FROM pg_class WHERE relkind = 'r' AND pg_relation_size(oid) > :bytes")
_RESTART = text("SELECT setval(seqrelid, seqstart, false) FROM pg_sequence")


@contextmanager
def own_market_data() -> Iterator[Database]:
    """Create a separate `market_data`, for tests that change its tables."""
    shared = make_url(settings().market_data_url.get_secret_value())
    address = shared.set(database=f"{shared.database}_own").render_as_string(hide_password=False)
    drop_database(address)
    upgrade(address, MARKET_DATA_MIGRATIONS)
    database = Database(address, pool_size=4)
    yield database
    database.engine.dispose()
    drop_database(address)


def drop_database(url: str) -> None:
    """Drop a database, even if connections to it are open."""
    address = make_url(url)
    engine = create_engine(address.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as tx:
        tx.execute(text(f'DROP DATABASE IF EXISTS "{address.database}" WITH (FORCE)'))
    engine.dispose()


def owner_urls() -> dict[str, str]:
    """Return the addresses of both databases for their owner, by the names of the settings."""
    s = settings()
    return {
        CLEARING_DATA_URL: s.clearing_data_url.get_secret_value(),
        MARKET_DATA_URL: s.market_data_url.get_secret_value(),
    }


def passwords_of_users() -> dict[str, str]:
    """Derive the passwords of Postgres' users from the server's own: all test processes share both."""
    owner = owner_urls()[CLEARING_DATA_URL].rpartition("@")[0]
    return {user: sha256(f"{user} {owner}".encode()).hexdigest() for user in database_users.USERS}


def let_users_in() -> None:
    """Create the users of Postgres with their rights in the migrated databases of the tests."""
    database_users.make_users(owner_urls()[CLEARING_DATA_URL], passwords_of_users())
    for variable, url in owner_urls().items():
        database_users.grant(url, variable, passwords_of_users())


def urls_of(user: str) -> dict[str, str]:
    """Return the settings with which a process connects to the test databases as one of the users."""
    return database_users.urls_of(user, owner_urls(), passwords_of_users()[user])


def renew_clearing_data(database: Database) -> None:
    """Delete everything, and load the initial data."""
    with database.transaction() as tx:
        _empty(tx, clearing_tables.metadata)
        initial_data.load(tx, shards=settings().shards, now_us=time.time_ns() // 1_000)


def renew_market_data(database: Database) -> None:
    """Delete all rows."""
    with database.transaction() as tx:
        _empty(tx, market_tables.metadata)


def _empty(tx: Connection, metadata: MetaData) -> None:
    # Triggers do not fire, so that append-only tables can be emptied, too.
    tx.execute(text("SET LOCAL session_replication_role = replica"))
    large = set(tx.execute(_LARGE, {"bytes": _LARGE_BYTES}).scalars())
    for table in reversed(metadata.sorted_tables):
        tx.execute(text(f"TRUNCATE {table.name}" if table.name in large else f"DELETE FROM {table.name}"))
    tx.execute(_RESTART)
