"""Named points of the work of a stage or the api at which a test can kill the process, as a power cut would.

With FAIL_POINT=matching.published a worker kills itself when it reaches that point, and with
FAIL_POINT=matching.published:3 when it reaches it for the third time. A point that is not armed costs a comparison.
"""

from __future__ import annotations

import os
import signal
from functools import cache
from typing import Final

import structlog

from celery_app.settings import settings
from celery_app.topology import STAGES

log = structlog.get_logger()

_IN_A_BATCH: Final = {
    "received": "a batch is decoded, and nothing in it has taken effect",
    "handled": "a batch has taken effect, and none of its messages is acknowledged",
    "acknowledged_one": "one message of a batch is acknowledged",
}

# The points by name, and the state of the work at each.
POINTS: Final = {
    "api.promised": "the orders of a request are promised, and the request is not queued",
    "scheduler.ringing": "a ring is due, and RabbitMQ has nothing of it",
    "scheduler.rung": "RabbitMQ has the ring, and the scheduler has not noted it",
    **{f"{stage}.{point}": meaning for stage in STAGES for point, meaning in _IN_A_BATCH.items()},
    "publisher.sent_one": "one of several messages is sent; it is not confirmed, and the others are not sent",
    "order_entry.committed": "requests are in the log, and neither the engines nor the feed know of them",
    "order_entry.security_changed": "what becomes of securities is in a transaction that is not committed",
    "order_entry.tick_sequenced": "what is due is in a transaction that is not committed",
    "order_entry.tick_committed": "what is due is in the log, and the engines know nothing of it",
    "order_entry.tick_sent": "the engines have what is due, and the next tick would send it again",
    "matching.recovered": "the engine is at the end of its log, and has published nothing again",
    "matching.republished": "events after the mark are published again, and the mark has not moved",
    "matching.applied": "the commands of a batch are applied, and none of their events is published",
    "matching.phase_changed": "a phase has changed, and nothing of it is published",
    "matching.phase_published": "a change of a phase is published, and the mark has not moved",
    "matching.published": "the events of a batch are published, and the mark has not moved",
    "matching.marked": "the mark has moved",
    "matching.snapshot_begun": "a copy of the process is saving the engine's state",
    "matching.snapshot_written": "the snapshot is in a transaction that is not committed; the copy dies",
    "matching.snapshot_kept": "the snapshot is saved",
    "order_execution.committed": "executions are settled, and the feed does not know of them",
    "order_execution.security_recorded": "what happened to securities is recorded, and the feed knows of no settlement",
    "order_execution.final_settlement_booked": "all holdings of a security are exchanged, and that is not committed",
    "moving.replayed": "the book of a security that moves is known, and nothing is locked",
    "moving.locked": "the security and both shards are locked",
    "moving.sequenced": "both commands of a move are in a transaction that is not committed",
    "moving.committed": "the security is on its new shard, and no engine knows of it",
    "moving.notified": "both engines know of the move",
    "data_feed.committed": "the reports of the other stages are stored, and none of them is pushed",
    "data_feed.phase_stored": "a new phase is stored, and it is not pushed",
}

_reached = 0


@cache
def armed() -> tuple[str, int]:
    """Return the armed point, and at which time the process dies there; an empty name if no point is armed.

    raises  SystemExit  the setting names no point
    """
    name, _, nth = settings().fail_point.partition(":")
    if name and name not in POINTS:
        raise SystemExit(f"wrong setting FAIL_POINT: there is no {name}; use one of {', '.join(POINTS)}")
    return name, int(nth or 1)


def is_armed(point: str) -> bool:
    """Return whether this process must die at this point; the caller must then reach it, even within one write."""
    return point == armed()[0]


def reach(point: str) -> None:
    """Kill this process if this is the armed point: it closes no connection, flushes no file and commits nothing."""
    if point == armed()[0]:
        _count()


def _count() -> None:
    global _reached
    _reached += 1
    point, nth = armed()
    if _reached == nth:
        log.warning("fail_point_reached", point=point)
        os.kill(os.getpid(), signal.SIGKILL)
