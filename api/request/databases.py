"""The two databases as the api uses them: within a time limit, and with one answer when they are away."""

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

# Longest a request waits for Postgres [s]; libpq's own limits do not hold under gevent. Postgres itself ends a
# statement then, too.
QUERY_S = 4.0

# Connections of an api process to each database: for requests with a valid key, and for all others. A request that
# finds none free waits, so Postgres sees no more than these.
TRADERS_POOL = 8
STRANGERS_POOL = 2

_request = local()


class Lanes(Database):
    """A database with connections for requests with a valid key, and others for all other requests."""

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
        """A transaction as of Database, in the lane of the request being served."""
        with self._strangers.transaction() if _is_strangers() else super().transaction() as tx:
            yield tx

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A read-only transaction as of Database, in the lane of the request being served."""
        with self._strangers.snapshot() if _is_strangers() else super().snapshot() as tx:
            yield tx


@contextmanager
def strangers_lane() -> Iterator[None]:
    """Inside the block this request uses the connections of requests without a valid key."""
    _request.stranger = True
    try:
        yield
    finally:
        _request.stranger = False


def _is_strangers() -> bool:
    return getattr(_request, "stranger", False)


@contextmanager
def reading(database: Database) -> Iterator[Connection]:
    """A read-only transaction. Raises Problem (503) when the database is away."""
    with _limited(), database.snapshot() as tx:
        yield tx


@contextmanager
def writing(database: Database) -> Iterator[Connection]:
    """A transaction that commits at the end of the block. Raises Problem (503) when the database is away."""
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
