"""Cancels a client's open orders when a connection that asked for it ends, however it ends.

The promise to a connection outlives this process: before the client is admitted, a row in Postgres has its name, and
the row is deleted when the cancel is on the queue of order entry. When this process stops, it ends all connections and
cancels their clients' orders. When it is killed, the next process of the same name finds the rows and cancels; when
none comes back, because the host is lost, another process does. While RabbitMQ is away, the cancels wait for it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import structlog
from gevent.event import Event
from gevent.lock import RLock

from api.orders.intake.mass_cancels import MassCancels
from api.request.databases import writing
from api.wire.problems import Problem, forbidden, invalid
from celery_app.clock import now_us
from db.clearing_data.clients import disconnect_promises
from db.clearing_data.clients.keys import Identity
from db.connect import Database

log = structlog.get_logger()

# The time between two attempts to queue a cancel, and how long a stop of the process waits for them [s].
AGAIN_S = 0.5
FINISH_S = 5.0
# The time between two beats of a process, and the time without one after which others take over its promises [s].
BEAT_S = 1.0
LOST_AFTER_S = 10.0


class CancelOnDisconnect:
    """Keeps track of the clients whose orders end with a connection.

    process  the name under which this process makes promises, and under which it comes back after a kill
    """

    def __init__(self, clearing_data: Database, process: str, mass_cancels: MassCancels) -> None:
        self._clearing_data = clearing_data
        self._process = process
        self._mass_cancels = mass_cancels
        self._connections: dict[object, tuple[str, Callable[[], None]]] = {}
        self._asked_for: Counter[str] = Counter()  # connections of each client that asked for it
        # When each client's connection ended [us since 1970]. The clocks of hosts agree to within the time that a
        # client needs to read an answer; so every order of the client that was answered 202 before has an earlier time,
        # and order entry cancels it even where the cancel overtakes it.
        self._due: dict[str, int] = {}
        self._kept: set[str] = set()  # clients whose row may be deleted
        self._wanted = Event()
        self._done = Event()
        self._done.set()
        # Held while rows change: a row that one greenlet deletes may be the one that another has just promised.
        self._rows = RLock()
        self._registered = False
        self._others: dict[str, tuple[int, float]] = {}  # the last beat of each other process, and when it was seen
        self._beaten_s = -LOST_AFTER_S

    @contextmanager
    def watching(self, connection: object, identity: Identity, end: Callable[[], None]) -> Iterator[None]:
        """Watch a connection for the duration of the block."""
        self.add(connection, identity, end)
        try:
            yield
        finally:
            self.lost(connection)

    def add(self, connection: object, identity: Identity, end: Callable[[], None]) -> None:
        """Watch a connection, which `end` ends. Raises Problem (403, 422, 503)."""
        if identity.role == "admin":
            raise invalid("?cancel_on_disconnect", "the admin has no orders to cancel")
        if identity.read_only:
            raise forbidden()
        with self._rows:
            self._register()
            with writing(self._clearing_data) as tx:
                goes_on = disconnect_promises.make(tx, self._process, identity.client_id)
            if not goes_on:
                self._end_all()
            self._connections[connection] = identity.client_id, end
            self._asked_for[identity.client_id] += 1

    def lost(self, connection: object) -> None:
        """Cancel the orders of the client whose connection has ended, if it was watched; never waits."""
        client_id, _ = self._connections.pop(connection, (None, None))
        if client_id is not None:
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
                self._kept.add(client_id)
                self._forget()
            self._wanted.clear()
            self._done.set()

    def watch_others(self) -> None:
        """Show other processes that this one lives, and take over the promises of those that do not, for ever."""
        while True:
            try:
                self._beat()
            except Problem as problem:
                log.warning("promises_not_watched", fault=problem.detail)
            gevent.sleep(BEAT_S)

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

    # -- the rows --------------------------------------------------------------------------------------------------

    def _register(self) -> None:
        """Make sure that this process may promise, and keep what its predecessor promised. The caller holds _rows."""
        if self._registered:
            return
        with writing(self._clearing_data) as tx:
            left = disconnect_promises.register(tx, self._process)
        self._registered = True
        for client_id in left:
            self._cancel(client_id)

    def _beat(self) -> None:
        with self._rows:
            self._register()
            with writing(self._clearing_data) as tx:
                goes_on = disconnect_promises.beat(tx, self._process)
                beats = disconnect_promises.beats(tx)
            if not goes_on:
                self._registered = False
                self._end_all()
                return
        self._forget()
        for process in self._lost_among(beats):
            with writing(self._clearing_data) as tx:
                clients = disconnect_promises.take_over(tx, process, last_beat=beats[process], heir=self._process)
            log.warning("promises_taken_over", process=process, clients=len(clients))
            for client_id in clients:
                self._cancel(client_id)

    def _end_all(self) -> None:
        """End all watched connections: another process took this one for lost, and has cancelled their orders."""
        log.error("promises_lost", connections=len(self._connections))
        for _, end in list(self._connections.values()):
            end()

    def _lost_among(self, beats: dict[str, int]) -> list[str]:
        """Return the processes whose beats have stood still while this process could see them."""
        now_s = time.monotonic()
        # While Postgres is away, the beats of all processes stand still.
        before = self._others if now_s - self._beaten_s < LOST_AFTER_S / 2 else {}
        self._beaten_s = now_s
        self._others = {
            process: before[process] if process in before and before[process][0] == beat else (beat, now_s)
            for process, beat in beats.items()
            if process != self._process
        }
        return [process for process, (_, seen_s) in self._others.items() if now_s - seen_s > LOST_AFTER_S]

    def _forget(self) -> None:
        """Delete the rows of kept promises, unless another connection needs them or the client is due again."""
        with self._rows:
            kept = [one for one in self._kept if one not in self._due and not self._asked_for[one]]
            self._kept.difference_update(self._due)
            if not kept:
                return
            try:
                with writing(self._clearing_data) as tx:
                    disconnect_promises.forget(tx, self._process, kept)
            except Problem as problem:
                log.warning("promises_not_deleted", fault=problem.detail)  # the next beat tries again
                return
            self._kept.difference_update(kept)
            for client_id in kept:
                if not self._asked_for[client_id]:
                    del self._asked_for[client_id]
