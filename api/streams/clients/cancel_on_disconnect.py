"""Cancels a client's open orders when a connection that asked for it ends, however it ends.

What is promised to a connection outlives this process: before the client is let in, a file with its name is left in
the run directory, and it goes when the cancels are on the queue of order entry. So when this process stops, all its
connections are lost and their clients' orders are cancelled; when it is killed, the next one finds the files and
cancels then. While RabbitMQ is away the cancels wait for it.
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
from db.clearing_data.keys import Identity

log = structlog.get_logger()

# Between two attempts while the cancels cannot be queued, and how long a stop waits for them [s].
AGAIN_S = 0.5
FINISH_S = 5.0


def marks_folder(run_directory: Path) -> Path:
    """Where the names of the clients are left."""
    return run_directory / "cancel_on_disconnect"


class CancelOnDisconnect:
    """Knows which clients are to lose their orders together with a connection.

    marks    folder for the names of the clients; what lies there was left by a process that was killed
    """

    def __init__(self, marks: Path, mass_cancels: MassCancels) -> None:
        self._marks = marks
        self._mass_cancels = mass_cancels
        self._asked_for: Counter[str] = Counter()  # connections of a client that asked for it
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
        """Watch a connection that lives as long as the block."""
        self.add(identity)
        try:
            yield
        finally:
            self.lost(identity.client_id)

    def add(self, identity: Identity) -> None:
        """Watch a connection of whoever this is. Raises Problem (403, 422, 503)."""
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
        """A connection that was watched has ended; never waits."""
        self._asked_for[client_id] -= 1
        self._cancel(client_id)

    def run(self) -> None:
        """Queue the cancels that are due, one client after the other, for ever."""
        while True:
            self._wanted.wait()
            while self._due:
                client_id = next(iter(self._due))
                ended_us = self._due.pop(client_id)
                try:
                    self._mass_cancels.send(client_id, security_id=None, side=None, received_us=ended_us)
                except Problem as problem:
                    # Sent again although it may be queued: to cancel twice harms nobody.
                    log.warning("cancels_delayed", client_id=client_id, fault=problem.code)
                    self._due.setdefault(client_id, ended_us)  # unless another connection has ended meanwhile
                    gevent.sleep(AGAIN_S)
                    continue
                log.info("cancelled_on_disconnect", client_id=client_id)
                self._forget(client_id)
            self._wanted.clear()
            self._done.set()

    def finish(self) -> None:
        """All connections are lost, because this process stops; what cannot be queued in time the next one does."""
        for client_id in +self._asked_for:
            self._cancel(client_id)
        if not self._done.wait(FINISH_S):
            log.warning("cancels_left", clients=len(self._due))

    def _cancel(self, client_id: str) -> None:
        self._due[client_id] = now_us()
        self._done.clear()
        self._wanted.set()

    def _forget(self, client_id: str) -> None:
        """Take the mark away, unless a connection is left that needs it or the client is due again."""
        if client_id not in self._due and not self._asked_for[client_id]:
            del self._asked_for[client_id]
            with suppress(FileNotFoundError):
                self._mark(client_id).unlink()

    def _mark(self, client_id: str) -> Path:
        # A suffix makes a file name of any client's name, of "." and ".." too.
        return self._marks / f"{client_id}.client"
