"""Saves an engine's state in `clearing_data`, and restores it."""

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
    """Return the engine of the newest good snapshot up to command `at_most`; None if no snapshot is good."""
    for snapshot in snapshots.newest_first(tx, shard, at_most=at_most):
        engine = _restored(snapshot, shard)
        if engine is not None:
            return engine
    return None


def _restored(snapshot: snapshots.Snapshot, shard: int) -> Engine | None:
    """Return the engine of a snapshot; None if it is damaged or was written by another version."""
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
    """Writes the snapshots of a shard, while matching goes on in a copy of the process, so that no order waits.

    begun_seq  the command of the last snapshot, or of the one being written
    kept_seq   the command of the last snapshot that is stored
    """

    def __init__(self, shard: int, clearing_data: Database) -> None:
        self.begun_seq = 0
        self.kept_seq = 0
        self._shard = shard
        self._clearing_data = clearing_data
        self._fork: Fork | None = None

    def begin(self, engine: Engine, *, now_us: int) -> None:
        """Start to save the present state of an engine, unless the previous snapshot is still being written."""
        if self._fork is None:
            self._fork = Fork(lambda: self._write_from_fork(engine, now_us))
            self.begun_seq = engine.seq
            fail_points.reach("matching.snapshot_begun")

    def poll(self) -> None:
        """Note whether the snapshot that was started is complete."""
        if self._fork is None or not self._fork.has_ended():
            return
        if self._fork.succeeded:
            self.kept_seq = self.begun_seq
            log.info("snapshot_written", shard=self._shard, seq=self.kept_seq)
            fail_points.reach("matching.snapshot_kept")
        else:
            # Nothing is lost: a worker that recovers starts from the previous one, and the next tick tries again.
            log.warning("snapshot_not_written", shard=self._shard, seq=self.begun_seq)
            self.begun_seq = self.kept_seq
        self._fork = None

    def save(self, engine: Engine, *, now_us: int) -> None:
        """Save the state of an engine if it has changed, and wait for it."""
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
