"""Ends the connections of revoked keys: a stream checks its key once, when it opens, and may live for days."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import structlog

from api.request.databases import reading
from api.wire.problems import Problem
from db.clearing_data.clients.keys import revoked_of
from db.connect import Database

log = structlog.get_logger()

# The shortest time between two queries, however briefly keys are cached [s].
LEAST_S = 0.5


class KeyWatch:
    """Maps connections to their keys, and ends those whose key has been revoked.

    every_s  the time between two checks
    """

    def __init__(self, clearing_data: Database, *, every_s: float) -> None:
        self._clearing_data = clearing_data
        self._every_s = max(every_s, LEAST_S)
        self._opened: dict[object, tuple[int, Callable[[], None]]] = {}

    def add(self, connection: object, key_id: int, end: Callable[[], None]) -> None:
        """Watch the key of a connection; `end` ends it."""
        self._opened[connection] = key_id, end

    def remove(self, connection: object) -> None:
        """Remove a connection that has ended."""
        self._opened.pop(connection, None)

    @contextmanager
    def watching(self, connection: object, key_id: int, end: Callable[[], None]) -> Iterator[None]:
        """Watch the key of a connection for the duration of the block."""
        self.add(connection, key_id, end)
        try:
            yield
        finally:
            self.remove(connection)

    def run(self) -> None:
        """Check for ever; while Postgres is away, open connections stay open."""
        while True:
            gevent.sleep(self._every_s)
            if self._opened:
                try:
                    self._look()
                except Problem as problem:
                    log.warning("revocations_not_read", fault=problem.detail)

    def _look(self) -> None:
        with reading(self._clearing_data) as tx:
            revoked = revoked_of(tx, {key_id for key_id, _ in self._opened.values()})
        for key_id, end in [opened for opened in self._opened.values() if opened[0] in revoked]:
            log.info("stream_of_revoked_key", key_id=key_id)
            end()
