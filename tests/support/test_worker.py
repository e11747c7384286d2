"""The test worker behaves like pytest-celery's nodes, with a process instead of a container."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kombu import Connection

from celery_app.topology import ORDER_ENTRY
from tests.support.broker import empty_queues
from tests.support.worker import NotLogged, Worker, WorkerFailed

PROBE = "tests.celery_app.probe"


@pytest.fixture
def worker(broker_url: str) -> Iterator[Worker]:
    with empty_queues(broker_url), Worker(ORDER_ENTRY, app=PROBE) as worker:
        yield worker


def consumers(broker_url: str) -> int:
    with Connection(broker_url) as connection, connection.channel() as channel:
        return int(channel.queue_declare(ORDER_ENTRY, passive=True).consumer_count)


def test_it_is_known_to_celery_by_its_hostname(worker: Worker) -> None:
    assert worker.ready()
    assert worker.app.control.ping([worker.hostname()], timeout=30) == [{worker.hostname(): {"ok": "pong"}}]


def test_killed_it_is_gone_and_restarted_it_consumes_again(worker: Worker, broker_url: str) -> None:
    first = worker.pid
    worker.kill()
    assert worker.container.status == "exited"
    worker.restart()
    worker.wait_ready()
    assert worker.pid != first
    assert consumers(broker_url) == 1


def test_its_log_can_be_searched(worker: Worker) -> None:
    worker.assert_log_exists("ready")
    worker.assert_log_does_not_exist("invariant_broken", timeout=1)
    with pytest.raises(NotLogged):
        worker.wait_for_log("invariant_broken", timeout=0.1)


def test_one_that_ends_before_it_is_ready_says_why() -> None:
    with pytest.raises(WorkerFailed, match="there is no queue no_such_queue"):
        Worker("no_such_queue").start()
