"""Access to the two databases: within a time limit, and with one problem when they cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import structlog
from gevent.local import local
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api.request.time_limit import left_s
from api.wire.problems import unavailable
from db.connect import Database

log = structlog.get_logger()

# Longest time that a request waits for Postgres [s]; libpq's own limits have no effect under gevent. Postgres ends a
# statement after the same time.
QUERY_S = 4.0

# Connections of an api process to each database: for requests with a valid key, and for all others, of which two are
# served and two keys looked up at a time. A request waits for a free one, so Postgres never sees more.
TRADERS_POOL = 8
STRANGERS_POOL = 4

_request = local()


class ApiDatabase(Database):
    """A database with one pool of connections for requests with a valid key, and another for all other requests."""

    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            pool_size=TRADERS_POOL,
            application_name="api",
            try_first=True,
            statement_timeout_s=QUERY_S,
        )
        self._strangers = Database(
            url,
            pool_size=STRANGERS_POOL,
            application_name="api strangers",
            try_first=True,
            statement_timeout_s=QUERY_S,
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction as Database does, in the pool for this request."""
        with self._strangers.transaction() if _is_strangers() else super().transaction() as tx:
            yield tx

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open a read-only transaction as Database does, in the pool for this request."""
        with self._strangers.snapshot() if _is_strangers() else super().snapshot() as tx:
            yield tx


@contextmanager
def strangers_pool() -> Iterator[None]:
    """Use the connections of requests without a valid key inside the block."""
    _request.stranger = True
    try:
        yield
    finally:
        _request.stranger = False


def _is_strangers() -> bool:
    return getattr(_request, "stranger", False)


@contextmanager
def reading(database: Database) -> Iterator[Connection]:
    """Open a read-only transaction. Raises Problem (503) when the database cannot be reached."""
    with _limited(), database.snapshot() as tx:
        yield tx


@contextmanager
def writing(database: Database) -> Iterator[Connection]:
    """Open a transaction, and commit it after the block. Raises Problem (503) when the database cannot be reached."""
    with _limited(), database.transaction() as tx:
        yield tx


@contextmanager
def _limited() -> Iterator[None]:
    patience_s = min(QUERY_S, left_s())
    limit = gevent.Timeout(patience_s)
    try:
        with limit:
            yield
    except gevent.Timeout as timeout:
        if timeout is not limit:
            raise
        log.warning("database_silent", waited_s=patience_s)
        raise unavailable("the database") from None
    except (OperationalError, InterfaceError, PoolTimeoutError) as fault:
        log.warning("database_away", fault=str(fault)[:200])
        raise unavailable("the database") from fault
