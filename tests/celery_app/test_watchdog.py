"""A worker that consumes none of its waiting messages ends, and the next one does the work."""

from __future__ import annotations

from kombu import Connection

from celery_app.publisher import Publisher
from celery_app.topology import ORDER_ENTRY, matching_queue
from celery_app.watchdog import STALLED_STATUS
from tests.celery_app.test_stage import PROBE, send
from tests.support.broker import depth, publish, take
from tests.support.worker import Worker

PATIENT = {"STALL_PATIENCE_S": "2"}


def test_a_worker_that_lost_its_consumer_restarts(broker: Connection, publisher: Publisher) -> None:
    with Worker(ORDER_ENTRY, app=PROBE, environment=PATIENT) as worker:
        send(publisher, "DEAF")
        worker.wait_for_log("clients=DEAF")
        send(publisher, "A")
        assert worker.wait() == STALLED_STATUS
        assert "event=worker_stalled queue=order_entry messages=1 consumers=0" in worker.log
    assert depth(broker, ORDER_ENTRY) == 1
    with Worker(ORDER_ENTRY, app=PROBE, environment=PATIENT) as worker:
        worker.wait_for_log("clients=A")
        assert worker.stop() == 0


def test_a_worker_that_hangs_restarts_and_says_where(broker: Connection, publisher: Publisher) -> None:
    with Worker(ORDER_ENTRY, app=PROBE, environment=PATIENT) as worker:
        send(publisher, "HANGING")
        assert worker.wait() == STALLED_STATUS
        assert "event=worker_hangs held=\"{'order_entry': 1}\"" in worker.log
        assert "in order_entry" in worker.log  # the function in the traceback
    take(broker, ORDER_ENTRY, 1)  # which waits until RabbitMQ has noticed that the worker is gone


def test_a_waiting_batch_is_not_a_stall(broker: Connection, publisher: Publisher) -> None:
    with Worker(ORDER_ENTRY, app=PROBE, environment=PATIENT | {"PREFETCH_MESSAGES": "1"}) as worker:
        send(publisher, "LONG OUTAGE")  # the database is away for longer than the watchdog's patience
        send(publisher, "A")
        worker.wait_for_log("clients=A")
        assert worker.log.count("unit_delayed") > 0
        assert worker.stop() == 0


def test_a_standby_without_messages_is_not_stalled(broker: Connection) -> None:
    queue = matching_queue(0)
    with broker.channel() as active:
        active.basic_qos(0, 1, False)
        active.basic_consume(queue, callback=lambda _: None)  # takes a message and never acknowledges it
        with Worker(queue, app="tests.celery_app.standby", environment=PATIENT) as worker:
            for _ in range(2):
                publish(broker, queue, "waits for the active worker")
            worker.wait_for_log("event=ticked", count=6)  # for longer than the watchdog's patience
            assert depth(broker, queue) == 1
            assert worker.container.exit_status() is None
            assert worker.stop() == 0
