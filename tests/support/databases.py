"""The databases as tests find them: `clearing_data` of a new exchange, `market_data` without rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Any

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
_POSITIONS = text("SELECT seqrelid::regclass::text, pg_sequence_last_value(seqrelid) FROM pg_sequence")
_SET_POSITION = text("SELECT setval(:sequence, :position)")


@dataclass(frozen=True, slots=True)
class _InitialRows:
    """What loading the initial data at a moment leaves: the rows of each table, as COPY writes them, and sequences."""

    now_us: int
    rows: Mapping[str, bytes]
    positions: Mapping[str, int]


_initial_rows: dict[str, _InitialRows] = {}  # by the address of the database


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
    """Delete everything, and load the initial data: statement by statement once, later as the rows that this left."""
    now_us = time.time_ns() // 1_000
    address = str(database.engine.url)
    with database.transaction() as tx:
        _empty(tx, clearing_tables.metadata)
        if address in _initial_rows:
            _copy(tx, _initial_rows[address], now_us=now_us)
        else:
            initial_data.load(tx, shards=settings().shards, now_us=now_us)
            _initial_rows[address] = _read(tx, now_us=now_us)


def renew_market_data(database: Database) -> None:
    """Delete all rows."""
    with database.transaction() as tx:
        _empty(tx, market_tables.metadata)


def _empty(tx: Connection, metadata: MetaData) -> None:
    # Triggers do not fire, so that append-only tables can be emptied, too.
    tx.execute(text("SET LOCAL session_replication_role = replica"))
    large = set(tx.execute(_LARGE, {"bytes": _LARGE_BYTES}).scalars())
    filled = _filled(tx, metadata)
    for table in reversed(metadata.sorted_tables):
        if table.name in large:
            tx.execute(text(f"TRUNCATE {table.name}"))
        elif table.name in filled:
            tx.execute(text(f"DELETE FROM {table.name}"))
    tx.execute(_RESTART)


def _filled(tx: Connection, metadata: MetaData) -> set[str]:
    """Return the names of the tables with rows."""
    asked = (f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in metadata.tables)
    return set(tx.execute(text(" UNION ALL ".join(asked))).scalars())


def _read(tx: Connection, *, now_us: int) -> _InitialRows:
    rows = {}
    with _cursor(tx) as cursor:
        for table in sorted(_filled(tx, clearing_tables.metadata)):
            copied = BytesIO()
            cursor.copy_expert(f"COPY {table} TO STDOUT", copied)
            rows[table] = copied.getvalue()
    positions = {sequence: position for sequence, position in tx.execute(_POSITIONS) if position is not None}
    return _InitialRows(now_us, rows, positions)


def _copy(tx: Connection, initial: _InitialRows, *, now_us: int) -> None:
    """Insert the rows, with another moment in place of that at which they were loaded."""
    with _cursor(tx) as cursor:
        for table, rows in initial.rows.items():
            renewed = rows.replace(b"%d" % initial.now_us, b"%d" % now_us)
            cursor.copy_expert(f"COPY {table} FROM STDIN", BytesIO(renewed))
    for sequence, position in initial.positions.items():
        tx.execute(_SET_POSITION, {"sequence": sequence, "position": position})


def _cursor(tx: Connection) -> Any:
    connection: Any = tx.connection.driver_connection
    return connection.cursor()
