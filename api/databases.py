"""The two databases as the api uses them: within a time limit, and with one answer when they are away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api.problems import unavailable
from api.time_limit import left_s
from db.connect import Database

log = structlog.get_logger()

# Longest a request waits for Postgres [s]; libpq's own limits do not hold under gevent.
QUERY_S = 4.0


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
