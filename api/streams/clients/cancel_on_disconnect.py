"""Cancels a client's open orders when a connection that asked for it ends, however it ends.

The promise to a connection outlives this process: before the client is admitted, a file with its name (a mark) is
created in the run directory; it is deleted when the cancel is on the queue of order entry. When this process stops, it
ends all connections and cancels their clients' orders; when it is killed, the next process finds the marks and cancels.
While RabbitMQ is away, the cancels wait for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import gevent
import structlog
from gevent.event import Event

from api.orders.intake.mass_cancels import MassCancels
from api.wire.problems import Problem, forbidden, invalid, unavailable
from celery_app.clock import now_us
from db.clearing_data.clients.keys import Identity

log = structlog.get_logger()

# The time between two attempts to queue a cancel, and how long a stop of the process waits for them [s].
AGAIN_S = 0.5
FINISH_S = 5.0


def marks_folder(run_directory: Path) -> Path:
    """Return the folder of the marks."""
    return run_directory / "cancel_on_disconnect"


class CancelOnDisconnect:
    """Keeps track of the clients whose orders end with a connection.

    marks    the folder of the marks; those found at the start belong to a process that was killed
    """

    def __init__(self, marks: Path, mass_cancels: MassCancels) -> None:
        self._marks = marks
        self._mass_cancels = mass_cancels
        self._asked_for: Counter[str] = Counter()  # connections of each client that asked for it
        # When each client's connection ended [us since 1970]. The clock is that of the api, on the same host; so every
        # order of the client that was answered 202 before has an earlier time, and order entry cancels it even where
        # the cancel overtakes it.
        self._due: dict[str, int] = {}
        self._wanted = Event()
        self._done = Event()
        self._done.set()
        marks.mkdir(parents=True, exist_ok=True)
        for mark in marks.iterdir():
            self._cancel(mark.stem)

    @contextmanager
    def watching(self, identity: Identity) -> Iterator[None]:
        """Watch a connection for the duration of the block."""
        self.add(identity)
        try:
            yield
        finally:
            self.lost(identity.client_id)

    def add(self, identity: Identity) -> None:
        """Watch a connection of this client. Raises Problem (403, 422, 503)."""
        if identity.role == "admin":
            raise invalid("?cancel_on_disconnect", "the admin has no orders to cancel")
        if identity.read_only:
            raise forbidden()
        try:
            self._mark(identity.client_id).touch()
        except OSError as fault:
            log.error("mark_not_written", fault=str(fault))
            raise unavailable("the run directory") from fault
        self._asked_for[identity.client_id] += 1

    def lost(self, client_id: str) -> None:
        """Cancel the orders of a client whose watched connection has ended; never waits."""
        self._asked_for[client_id] -= 1
        self._cancel(client_id)

    def run(self) -> None:
        """Queue the due cancels, one client after another, for ever."""
        while True:
            self._wanted.wait()
            while self._due:
                client_id = next(iter(self._due))
                ended_us = self._due.pop(client_id)
                try:
                    self._mass_cancels.send(client_id, security_id=None, side=None, received_us=ended_us)
                except Problem as problem:
                    # It may be on the queue already; a second cancel does no harm.
                    log.warning("cancels_delayed", client_id=client_id, fault=problem.code)
                    self._due.setdefault(client_id, ended_us)  # unless another connection has ended meanwhile
                    gevent.sleep(AGAIN_S)
                    continue
                log.info("cancelled_on_disconnect", client_id=client_id)
                self._forget(client_id)
            self._wanted.clear()
            self._done.set()

    def finish(self) -> None:
        """Cancel for all connections, because this process stops; the next process queues what this one cannot."""
        for client_id in +self._asked_for:
            self._cancel(client_id)
        if not self._done.wait(FINISH_S):
            log.warning("cancels_left", clients=len(self._due))

    def _cancel(self, client_id: str) -> None:
        self._due[client_id] = now_us()
        self._done.clear()
        self._wanted.set()

    def _forget(self, client_id: str) -> None:
        """Delete the mark, unless another connection needs it or the client is due again."""
        if client_id not in self._due and not self._asked_for[client_id]:
            del self._asked_for[client_id]
            with suppress(FileNotFoundError):
                self._mark(client_id).unlink()

    def _mark(self, client_id: str) -> Path:
        # The suffix makes any client id a file name, even "." and "..".
        return self._marks / f"{client_id}.client"
