"""Named points of a stage's work at which a test has the worker die, as by a power cut.

FAIL_POINT=matching.published has a worker kill itself when it gets there; FAIL_POINT=matching.published:3 when it gets
there for the third time. Unarmed, as always but in tests, a point costs one look at a constant.
"""

from __future__ import annotations

import os
import signal
from typing import Final

import structlog

from celery_app.settings import settings

log = structlog.get_logger()

_UNIT: Final = {
    "received": "a unit was decoded, and nothing of it was done",
    "handled": "a unit was done, and none of its messages is acknowledged",
    "acknowledged_one": "one message of a unit is acknowledged",
}

# Every point, by its name, and what was done when it is reached.
POINTS: Final = {
    **{
        f"{stage}.{point}": meaning
        for stage in ("order_entry", "matching", "order_execution", "data_feed")
        for point, meaning in _UNIT.items()
    },
    "publisher.sent_one": "a message was sent, and neither is it confirmed nor are those sent that go with it",
    "order_entry.committed": "requests are in the log, and the engines and the feed know nothing of them",
    "order_entry.security_changed": "what becomes of securities is in a transaction that is not committed",
    "order_entry.tick_sequenced": "what is due is in a transaction that is not committed",
    "order_entry.tick_committed": "what is due is in the log, and the engines know nothing of it",
    "matching.recovered": "the engine is at the end of its log, and nothing was published again",
    "matching.republished": "events after the mark are published again, and the mark stands where it stood",
    "matching.applied": "a unit's commands are applied, and none of their events is published",
    "matching.published": "a unit's events are published, and the mark stands where it stood",
    "matching.marked": "the mark was moved",
    "matching.snapshot_begun": "a copy of the process is putting the engine's state away",
    "matching.snapshot_written": "the snapshot is in its transaction, which is not committed; it is the copy that dies",
    "matching.snapshot_kept": "the snapshot was put away",
    "order_execution.committed": "executions are settled, and the feed knows nothing of it",
    "order_execution.security_recorded": "what happened to securities is recorded, and the feed knows of no settlement",
    "order_execution.final_settlement_booked": "all holdings of a security are exchanged, and that is not committed",
    "data_feed.committed": "what the other stages told is stored, and nothing of it is pushed",
}

_armed, _, _nth = settings().fail_point.partition(":")
_left = int(_nth or 1)
if _armed and _armed not in POINTS:
    raise SystemExit(f"wrong setting FAIL_POINT: there is no {_armed}; there are {', '.join(POINTS)}")


def reach(point: str) -> None:
    """Die here if this is the armed point, without a word to anyone: no farewell, no flush, no commit."""
    if point == _armed:
        _count_down()


def _count_down() -> None:
    global _left
    _left -= 1
    if not _left:
        log.warning("fail_point_reached", point=_armed)
        os.kill(os.getpid(), signal.SIGKILL)
