"""Putting an engine's state away in `clearing_data`, and beginning from it."""

from __future__ import annotations

import msgspec
import structlog
from sqlalchemy import Connection

from celery_app import fail_points
from db.clearing_data import snapshots
from db.connect import Database
from tasks.matching.fork import Fork
from tasks.matching.rules.engine import Engine
from tasks.matching.rules.state import decode, digest, encode

log = structlog.get_logger()


def newest_engine(tx: Connection, shard: int, *, at_most: int) -> Engine | None:
    """The engine of the newest good snapshot up to command `at_most`; None when there is none."""
    for snapshot in snapshots.newest_first(tx, shard, at_most=at_most):
        engine = _restored(snapshot, shard)
        if engine is not None:
            return engine
    return None


def _restored(snapshot: snapshots.Snapshot, shard: int) -> Engine | None:
    """The engine of a snapshot; None when it is damaged or was written by another version."""
    fault = "its checksum is wrong"
    if snapshot.is_intact:
        try:
            state = decode(snapshot.body)
        except msgspec.MsgspecError as unreadable:
            fault = str(unreadable)
        else:
            if (state.shard, state.seq) == (shard, snapshot.seq):
                return Engine.restored(state)
            fault = "it is of another shard or command"
    log.error("snapshot_damaged", shard=shard, seq=snapshot.seq, fault=fault)
    return None


class SnapshotWriter:
    """Writes the snapshots of a shard, on the way in a copy of the process, so that no order waits for it.

    begun_seq  the command of the last snapshot, or of the one that is being written
    kept_seq   the command of the last snapshot that is surely there
    """

    def __init__(self, shard: int, clearing_data: Database) -> None:
        self.begun_seq = 0
        self.kept_seq = 0
        self._shard = shard
        self._clearing_data = clearing_data
        self._fork: Fork | None = None

    def begin(self, engine: Engine, *, now_us: int) -> None:
        """Have the state of an engine put away as it is now, unless the one before is still on its way."""
        if self._fork is None:
            self._fork = Fork(lambda: self._write_from_fork(engine, now_us))
            self.begun_seq = engine.seq
            fail_points.reach("matching.snapshot_begun")

    def look(self) -> None:
        """See whether what was begun is done."""
        if self._fork is None or not self._fork.has_ended():
            return
        if self._fork.succeeded:
            self.kept_seq = self.begun_seq
            log.info("snapshot_written", shard=self._shard, seq=self.kept_seq)
            fail_points.reach("matching.snapshot_kept")
        else:
            # Nothing is lost: whoever recovers begins from the one before, and the next tick tries again.
            log.warning("snapshot_not_written", shard=self._shard, seq=self.begun_seq)
            self.begun_seq = self.kept_seq
        self._fork = None

    def leave(self, engine: Engine, *, now_us: int) -> None:
        """Put the state of an engine away if that is news, and wait for it."""
        if self._fork is not None:
            self._fork.kill()
            self._fork = None
        if self.kept_seq < engine.seq:
            self._write(engine, now_us)
            self.begun_seq = self.kept_seq = engine.seq
            log.info("snapshot_written", shard=self._shard, seq=self.kept_seq)

    def _write_from_fork(self, engine: Engine, now_us: int) -> None:
        self._clearing_data.forget_connections()
        self._write(engine, now_us)

    def _write(self, engine: Engine, now_us: int) -> None:
        body = encode(engine.state())
        state_hash = digest(body).hex()
        with self._clearing_data.transaction() as tx:
            snapshots.write(tx, self._shard, seq=engine.seq, state_hash=state_hash, body=body, now_us=now_us)
            fail_points.reach("matching.snapshot_written")
