"""Rule 6: a snapshot contains the state whose hash is stored next to it, and marks and snapshots follow the log."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, text

from db.clearing_data.snapshots import Snapshot
from tasks.audit.common.result import CheckResult
from tasks.matching.rules.state import VERSION, decode, digest

_AHEAD = text(
    """
    SELECT 'snapshot', shard, seq, COALESCE(last_seq, 0) FROM snapshots LEFT JOIN shards USING (shard)
    WHERE seq > COALESCE(last_seq, 0)
    UNION ALL
    SELECT 'published mark', shard, seq, COALESCE(last_seq, 0) FROM published_marks LEFT JOIN shards USING (shard)
    WHERE seq > COALESCE(last_seq, 0)
    ORDER BY 1, 2, 3
    """
)
_BEHIND = text(
    """
    SELECT shard, max(snapshots.seq), COALESCE(published_marks.seq, 0)
    FROM snapshots LEFT JOIN published_marks USING (shard) GROUP BY shard, published_marks.seq
    HAVING max(snapshots.seq) > COALESCE(published_marks.seq, 0) ORDER BY shard
    """
)


def check_marks(tx: Connection) -> CheckResult:
    """Check that no snapshot and no mark is ahead of the log, and no mark is behind a snapshot."""
    checked = CheckResult(tx.execute(text("SELECT count(*) FROM snapshots")).scalar_one())
    for kind, shard, seq, last_seq in tx.execute(_AHEAD):
        checked.find(f"the {kind} of shard {shard} is at command {seq}; its log ends with {last_seq}")
    for shard, seq, mark in tx.execute(_BEHIND):
        checked.find(f"the published mark of shard {shard} is at command {mark}, behind its snapshot at {seq}")
    return checked


def fault_of(shard: int, snapshot: Snapshot) -> str | None:
    """Return the fault of a snapshot that needs no replay to be found; None if there is none."""
    name = f"the snapshot of shard {shard} at command {snapshot.seq}"
    if not snapshot.is_intact:
        return f"{name} is damaged"
    if (body_hash := digest(snapshot.body).hex()) != snapshot.state_hash:
        return f"{name} does not have the hash {snapshot.state_hash} that stands next to it: it has {body_hash}"
    if not is_comparable(snapshot):
        return None
    try:
        state = decode(snapshot.body)
    except msgspec.MsgspecError as fault:
        return f"{name} contains no state: {fault}"
    if (state.shard, state.seq) != (shard, snapshot.seq):
        return f"{name} contains the state of shard {state.shard} at command {state.seq}"
    return None


def is_comparable(snapshot: Snapshot) -> bool:
    """Return whether this version wrote the body; other versions hash the same state differently."""
    try:
        version, *_ = msgspec.msgpack.decode(snapshot.body)
    except (msgspec.MsgspecError, TypeError, ValueError):
        return True
    return bool(version == VERSION)
