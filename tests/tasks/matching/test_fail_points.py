"""A worker dies at each fail point in turn: its events are, byte for byte, those of one that lives."""

from __future__ import annotations

import signal
from collections.abc import Sequence

import pytest

from db.clearing_data import snapshots
from tasks.messages import Command
from tests.support.command_logs import seeded_day
from tests.support.worker import Worker
from tests.tasks.matching.conftest import Floor

QUEUE = "matching.0"
SECURITIES = ("MSFT", "TSLA", "SHEL")  # those of shard 0 of two

# Where the workers die, one after another; each recovers from what the one before has left.
IN_A_UNIT = (
    "matching.received",
    "matching.applied",
    "publisher.sent_one",  # executions without their feed
    "publisher.sent_one:3",
    "matching.published",
    "matching.handled",
    "matching.acknowledged_one:2",
)
AT_THE_START = ("matching.applied", "matching.recovered", "publisher.sent_one", "matching.republished")
BETWEEN_UNITS = ("matching.marked", "matching.snapshot_begun", "matching.marked:2", "matching.snapshot_kept")

# Messages that wait for each worker, and commands in each.
MESSAGES = 6
SIZE = 10


@pytest.mark.parametrize("points", [IN_A_UNIT, AT_THE_START, BETWEEN_UNITS], ids=lambda points: points[0])
def test_a_worker_dies_at_each_fail_point(floor: Floor, points: Sequence[str]) -> None:
    commands = seeded_day(len(points), (len(points) + 1) * MESSAGES * SIZE, securities=SECURITIES)
    parts = [commands[start : start + MESSAGES * SIZE] for start in range(0, len(commands), MESSAGES * SIZE)]
    with Worker(QUEUE):
        for part in parts:
            enter(floor, part)
        floor.check()
        undisturbed = floor.events, floor.fed
    floor.reset()

    for point, part in zip(points, parts, strict=False):
        enter(floor, part)
        worker = Worker(QUEUE, environment={"FAIL_POINT": point, "SNAPSHOT_EVERY_COMMANDS": "50"})
        worker.launch()
        assert worker.wait() == -signal.SIGKILL
        assert f"event=fail_point_reached point={point.partition(':')[0]}" in worker.log
        worker.teardown()
    enter(floor, parts[-1])
    with Worker(QUEUE) as worker:
        floor.check()
        assert worker.stop() == 0
    assert (floor.events, floor.fed) == undisturbed


def test_an_uncommitted_snapshot_leaves_the_previous_one(floor: Floor) -> None:
    commands = seeded_day(9, 200, securities=SECURITIES)
    with Worker(QUEUE) as worker:
        enter(floor, commands[:100])
        floor.check()
        assert worker.stop() == 0
    armed = {"FAIL_POINT": "matching.snapshot_written", "SNAPSHOT_EVERY_COMMANDS": "50"}
    with Worker(QUEUE, environment=armed) as worker:
        enter(floor, commands[100:])
        # The copy of the worker dies repeatedly, and the worker continues; finally it dies itself while it stops.
        worker.wait_for_log("event=snapshot_not_written", count=2)
        floor.check()
        assert worker.stop() == -signal.SIGKILL
    assert snapshots_kept(floor) == [100]


def snapshots_kept(floor: Floor) -> list[int]:
    with floor.clearing_data.transaction() as tx:
        return [snapshot.seq for snapshot in snapshots.newest_first(tx, 0, at_most=10_000) if snapshot.is_intact]


def enter(floor: Floor, commands: Sequence[Command]) -> None:
    """Log commands and send them in small messages, so that several make a batch."""
    first_seq = floor.log(commands)
    for start in range(0, len(commands), SIZE):
        floor.ring(first_seq + start, commands[start : start + SIZE])
