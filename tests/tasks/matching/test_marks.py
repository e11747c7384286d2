"""A worker that dies while it publishes the events of a message does not mark unpublished events."""

from __future__ import annotations

import signal

from tests.support.command_logs import seeded_log
from tests.support.worker import Worker
from tests.tasks.matching.conftest import Floor

QUEUE = "matching.0"
SECURITIES = ("MSFT", "TSLA", "SHEL")  # those of shard 0 of two


def test_a_worker_dies_between_executions_and_their_feed(floor: Floor) -> None:
    commands = seeded_log(3, 60, securities=SECURITIES)
    # The log is empty when the worker starts, so it first publishes the events of the message.
    with Worker(QUEUE, environment={"FAIL_POINT": "publisher.sent_one"}) as worker:
        floor.trade(commands)
        assert worker.wait() == -signal.SIGKILL
    with Worker(QUEUE) as worker:
        floor.check()
        assert worker.stop() == 0
