"""The faults of a worker: those that pass, so that the same work may succeed later, and the one that ends it."""

from __future__ import annotations

from typing import Final

import psycopg2
from psycopg2 import InterfaceError, OperationalError
from sqlalchemy.exc import DBAPIError

from celery_app.publisher import NotSent, OutcomeUnknown

# Exit status of a worker whose state cannot be trusted; the supervisor does not start it again.
INVARIANT_BROKEN_STATUS: Final = 70

# Codes of Postgres: serialization failure and deadlock; the server is shutting down or starting; a database or a table
# does not exist yet, because migrations are running; a server is read-only, like a former primary; too many
# connections; a lock or a statement took too long; a transaction was idle for too long.
_TRANSIENT_CODES: Final = {
    "40001", "40P01", "57P01", "57P02", "57P03", "3D000", "42P01", "25006", "53300", "55P03", "57014", "25P03",
}  # fmt: skip


class InvariantBroken(Exception):
    """An invariant does not hold, so the state of this worker cannot be trusted any more."""


def is_transient(failure: Exception) -> bool:
    """Return whether the same work may succeed later: a service is unavailable, or two transactions conflicted."""
    if isinstance(failure, DBAPIError):
        return failure.connection_invalidated or (
            isinstance(failure.orig, psycopg2.Error) and is_transient(failure.orig)
        )
    if isinstance(failure, psycopg2.Error):
        return isinstance(failure, OperationalError | InterfaceError) or failure.pgcode in _TRANSIENT_CODES
    return isinstance(failure, NotSent | OutcomeUnknown)
