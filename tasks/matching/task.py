"""The stage matching: sequenced commands in, events and changes of the books out.

A worker is active for a shard once it has received a message of the shard: RabbitMQ delivers to only one worker of a
queue. All others are hot standbys. A standby follows the log without publishing, keeps the events that the active
worker may not have published, and takes over with its first message. When the active worker hangs and RabbitMQ has not
noticed yet, a standby stands in for it: it publishes the events of the commands that it reads.
Two active workers do no harm: they make the same events, and the next stages discard the second copy of each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import structlog
from celery.worker.state import maybe_shutdown
from psycopg2 import OperationalError
from sqlalchemy.exc import DBAPIError, NoResultFound

from celery_app import fail_points
from celery_app.app import app
from celery_app.clock import now_us
from celery_app.faults import InvariantBroken
from celery_app.publisher import NotSent, OutcomeUnknown
from celery_app.settings import settings
from celery_app.stage import FIRST_WAIT_S, LONGEST_WAIT_S, Stage
from celery_app.topology import MATCHING, shard_of_queue
from tasks.matching.shard import CommandsRefused, Shard
from tasks.messages import CommandBatch
from tasks.services import clearing_data, publisher

log = structlog.get_logger()

# How long a standby keeps events that the active worker should have published while the mark does not move, in
# heartbeats. The active worker writes its mark every second; RabbitMQ gives up a hanging one after two to three.
STANDBY_PATIENCE_HEARTBEATS: Final = 1.5

Answer = TypeVar("Answer")


class MatchingStage(Stage):
    """The task of the stage: the shards of this worker's queues, and the shards for which the worker is active."""

    abstract = True

    def __init__(self) -> None:
        self._shards: dict[int, Shard] = {}
        self._active: set[int] = set()  # shards with a message over this connection to RabbitMQ
        self._busy: set[int] = set()  # shards with a message since the last tick
        self._mark_moved_s: dict[int, float] = {}  # of standby shards: the last time without overdue events
        self._standing_in: set[int] = set()  # standby shards whose active worker seems to hang

    def prepare(self, queues: list[str]) -> None:
        """Bring the engines to the end of their logs, and publish events that may be unpublished."""
        for queue in queues:
            shard = Shard(shard_of_queue(queue), clearing_data(MATCHING))
            _persist(shard.recover, f"shard {shard.shard} of clearing_data")
            fail_points.reach("matching.recovered")
            _persist(partial(self._send, shard), "RabbitMQ")
            _persist(partial(self._cover, shard), "RabbitMQ")
            fail_points.reach("matching.republished")
            _persist(shard.write_mark, "clearing_data")
            self._shards[shard.shard] = shard

    def connected(self) -> None:
        """Become a standby: another worker may have consumed while this one was away."""
        self._active.clear()
        self._standing_in.clear()
        self._mark_moved_s = dict.fromkeys(self._shards, time.monotonic())
        for shard in self._shards.values():
            shard.publish_whole_books()

    def handle(self, batches: list[CommandBatch]) -> None:
        """Apply the new commands of all delivered batches, and publish their events."""
        began_us = now_us()
        # The order of the log counts, not that of the queue; sorted, the batches leave fewer gaps to read.
        for batch in sorted(batches, key=lambda batch: batch.first_seq):
            shard = self._shards.get(batch.shard)
            if shard is None:
                raise CommandsRefused(f"this worker has no shard {batch.shard}")
            if batch.shard not in self._active:
                log.info("shard_active", shard=batch.shard, seq=shard.seq, unsent=shard.unsent)
                self._active.add(batch.shard)
            self._busy.add(batch.shard)
            shard.take(batch)
        fail_points.reach("matching.applied")
        # If a batch is refused halfway, its events go with the next one, or with the tick.
        for number in self._active:
            self._publish(self._shards[number], began_us)
        fail_points.reach("matching.published")

    def tick(self) -> None:
        """Find commands whose message was lost, move the marks, and save snapshots."""
        busy, self._busy = self._busy, set()
        for number, shard in self._shards.items():
            if number in busy:
                shard.check_log()
            else:
                shard.follow_log()
            if number in self._active:
                self._keep(shard)
            else:
                self._stand_by(shard)

    def stop(self) -> None:
        """Save snapshots, so that the next worker starts at once."""
        for number in self._active:
            shard = self._shards[number]
            try:
                self._publish(shard)
                self._cover(shard)
                shard.check_log()
                shard.save_snapshot(now_us=now_us())
            except InvariantBroken:
                self.halt()
            except (DBAPIError, OperationalError, NotSent, OutcomeUnknown) as fault:
                # Nothing is lost: the next worker replays the log from the previous snapshot.
                log.warning("snapshot_not_written", shard=number, fault=str(fault)[:200])

    def _keep(self, shard: Shard) -> None:
        self._publish(shard)
        self._cover(shard)
        shard.write_mark()
        fail_points.reach("matching.marked")
        shard.end_snapshot()
        if shard.commands_since_snapshot >= settings().snapshot_every_commands:
            shard.begin_snapshot(now_us=now_us())

    def _stand_by(self, shard: Shard) -> None:
        number, now_s = shard.shard, time.monotonic()
        if shard.read_mark():
            self._mark_moved_s[number] = now_s
            self._standing_in.discard(number)
        elif not shard.unsent:
            self._mark_moved_s[number] = now_s
        elif number not in self._standing_in and now_s - self._mark_moved_s[number] > _standby_patience_s():
            log.warning("standby_stands_in", shard=number, events=shard.unsent, mark=shard.published_seq)
            self._standing_in.add(number)
        if number in self._standing_in:
            self._publish(shard)
            self._cover(shard)
            shard.write_mark()

    def _cover(self, shard: Shard) -> None:
        shard.cover(publisher(), now_us=now_us())

    def _publish(self, shard: Shard, began_us: int | None = None) -> None:
        armed = fail_points.is_armed("matching.phase_changed") or fail_points.is_armed("matching.phase_published")
        changes_phase = armed and shard.changes_phase
        if changes_phase:
            fail_points.reach("matching.phase_changed")
        self._send(shard, began_us)
        if changes_phase:
            fail_points.reach("matching.phase_published")

    def _send(self, shard: Shard, began_us: int | None = None) -> None:
        sent_us = now_us()
        shard.publish(publisher(), began_us=sent_us if began_us is None else began_us, now_us=sent_us)


@app.task(name=MATCHING, base=MatchingStage, bind=True)
def matching(self: MatchingStage, batches: list[CommandBatch]) -> None:
    """Match the commands of all delivered messages, once each and in the order of the log."""
    self.handle(batches)


def _persist(attempt: Callable[[], Answer], what: str) -> Answer:
    """Retry until the database and RabbitMQ are available, or the worker has to stop."""
    wait_s = FIRST_WAIT_S
    while True:
        maybe_shutdown()
        try:
            return attempt()
        except (DBAPIError, OperationalError, NoResultFound, NotSent, OutcomeUnknown) as fault:
            log.warning("waiting", for_=what, wait_s=wait_s, fault=str(fault).partition("\n")[0][:200])
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)


def _standby_patience_s() -> float:
    return STANDBY_PATIENCE_HEARTBEATS * settings().matching_heartbeat_s
