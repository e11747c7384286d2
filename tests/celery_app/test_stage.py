"""A stage handles all delivered messages at once, makes only bad ones dead letters, and loses nothing."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection

from celery_app.faults import INVARIANT_BROKEN_STATUS
from celery_app.publisher import NotSent, Publisher
from celery_app.settings import settings
from celery_app.stage import HARMFUL_ATTEMPTS, SUSPICIOUS_DELIVERIES
from celery_app.topology import DEAD_LETTER, DELIVERY_LIMIT, ORDER_ENTRY
from tasks.messages import EntryBatch, OrderRequest
from tasks.order_entry.task import order_entry
from tests.support.broker import depth, empty_queues, publish, take
from tests.support.exchange import Exchange
from tests.support.worker import Worker, WorkerFailed, delivered_together

PROBE = "tests.celery_app.probe"
HEADERS = {"task": ORDER_ENTRY, "id": "one", "lang": "py"}


def batch_of(*clients: str) -> EntryBatch:
    return EntryBatch(
        [
            OrderRequest(number, client, None, "MSFT", "limit", "buy", 1, 100, "gtc", False, 0)
            for number, client in enumerate(clients, 1)
        ]
    )


def send(publisher: Publisher, *clients: str) -> None:
    publisher.send(ORDER_ENTRY, batch_of(*clients), size=len(clients))


def test_all_delivered_messages_are_one_batch(broker: Connection, publisher: Publisher) -> None:
    for client in "ABCDE":
        send(publisher, client)
    with Worker(ORDER_ENTRY, app=PROBE) as worker:
        worker.wait_for_log("clients=A+B+C+D+E")
        assert worker.stop() == 0
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


def send_together(worker: Worker, broker: Connection, publisher: Publisher, *clients: str) -> None:
    """Send messages that the worker finds delivered when it looks next."""
    with delivered_together(worker, broker, ORDER_ENTRY):
        for client in clients:
            send(publisher, client)


@pytest.fixture
def gathering(broker: Connection, publisher: Publisher) -> Iterator[Worker]:
    """A worker in a pause of an hour, after the batch A+B."""
    with Worker(ORDER_ENTRY, app=PROBE, environment={"PROBE_GATHERS_S": "3600"}) as worker:
        send(publisher, "FIRST")
        worker.wait_for_log("clients=FIRST")
        send_together(worker, broker, publisher, "A", "B")
        worker.wait_for_log("clients=A+B")
        yield worker
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


def test_a_message_that_came_alone_starts_no_pause(broker: Connection, publisher: Publisher) -> None:
    with Worker(ORDER_ENTRY, app=PROBE, environment={"PROBE_GATHERS_S": "3600"}) as worker:
        for client in ("A", "B", "C"):
            send(publisher, client)
            worker.wait_for_log(f"clients={client}\n")
        assert worker.stop() == 0
    assert depth(broker, ORDER_ENTRY) == 0


def test_after_a_batch_of_several_messages_more_of_them_gather(broker: Connection, publisher: Publisher) -> None:
    with Worker(ORDER_ENTRY, app=PROBE, environment={"PROBE_GATHERS_S": "5"}) as worker:
        send(publisher, "FIRST")
        worker.wait_for_log("clients=FIRST")
        send_together(worker, broker, publisher, "A", "B")
        worker.wait_for_log("clients=A+B")
        send(publisher, "C")
        send(publisher, "D")
        worker.wait_for_log("clients=C+D")
        assert worker.stop() == 0
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


def test_as_many_messages_as_a_batch_can_have_end_the_pause(gathering: Worker, publisher: Publisher) -> None:
    clients = [f"C{number:02}" for number in range(settings().prefetch_messages)]
    for client in clients:
        send(publisher, client)
    gathering.wait_for_log("clients=" + "+".join(clients))
    assert gathering.stop() == 0


def test_a_warm_stop_handles_what_gathers(gathering: Worker, broker: Connection, publisher: Publisher) -> None:
    send_together(gathering, broker, publisher, "C")
    assert gathering.stop() == 0
    assert "clients=C\n" in gathering.log


def test_only_the_bad_message_becomes_a_dead_letter(broker: Connection, publisher: Publisher) -> None:
    for client in ("A", "BAD", "B"):
        send(publisher, client)
    with Worker(ORDER_ENTRY, app=PROBE) as worker:
        worker.wait_for_log("clients=B")
        assert "clients=A\n" in worker.log
        (dead,) = take(broker, DEAD_LETTER, 1)
        assert "BAD" in str(dead.body)
        assert worker.stop() == 0
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


@pytest.mark.parametrize("position", [0, 13, 31])
def test_one_culprit_among_32_messages_costs_logarithmically_many_transactions(
    position: int, broker: Connection, publisher: Publisher
) -> None:
    clients = [f"C{number:02}" for number in range(32)]
    clients[position] = "BAD"
    for client in clients:
        send(publisher, client)
    with Worker(ORDER_ENTRY, app=PROBE) as worker:
        (dead,) = take(broker, DEAD_LETTER, 1)
        assert "BAD" in str(dead.body)
        worker.wait_for_log("C30" if position == 31 else "C31")
        assert worker.stop() == 0
        log = worker.log
    handled = re.findall(r"clients=(\S+)", log)
    # All others took effect, in the order of their delivery.
    assert "+".join(handled).split("+") == [client for client in clients if client != "BAD"]
    assert "begun=" + "+".join(clients) in log  # all were one batch at first
    assert log.count("unit_begun") <= 1 + 2 * 5
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


def test_two_culprits_are_found(broker: Connection, publisher: Publisher) -> None:
    clients = ["A", "BAD", "B", "C", "D", "E", "BAD", "F"]
    for client in clients:
        send(publisher, client)
    with Worker(ORDER_ENTRY, app=PROBE) as worker:
        take(broker, DEAD_LETTER, 2)
        worker.wait_for_log("clients=F")
        assert worker.stop() == 0
        log = worker.log
    assert "+".join(re.findall(r"clients=(\S+)", log)).split("+") == ["A", "B", "C", "D", "E", "F"]
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


def test_a_divisible_batch_takes_effect_except_for_its_culprit(broker: Connection, publisher: Publisher) -> None:
    send(publisher, "DIVISIBLE", "A", "B", "BAD", "C", "D", "E", "F")
    send(publisher, "G", "BAD", "H")
    with Worker(ORDER_ENTRY, app=PROBE) as worker:
        assert len(take(broker, DEAD_LETTER, 2)) == 2
        assert worker.stop() == 0
        log = worker.log
    handled = "+".join(re.findall(r"clients=(\S+)", log)).split("+")
    assert handled == ["DIVISIBLE", "A", "B", "C", "D", "E", "F"]
    assert log.count("culprit_found") == 2
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


def test_a_divided_batch_waits_for_a_database_that_is_away(broker: Connection, publisher: Publisher) -> None:
    send(publisher, "DIVISIBLE", "A", "BAD", "OUTAGE")
    with Worker(ORDER_ENTRY, app=PROBE) as worker:
        take(broker, DEAD_LETTER, 1)
        assert worker.log.count("unit_delayed") == 3
        worker.wait_for_log("clients=OUTAGE")
        assert worker.stop() == 0
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


def test_a_batch_waits_for_a_database_that_is_away(broker: Connection, publisher: Publisher) -> None:
    with Worker(ORDER_ENTRY, app=PROBE) as worker:
        send(publisher, "OUTAGE")
        worker.wait_for_log("clients=OUTAGE")
        assert worker.log.count("unit_delayed") == 3
        assert worker.stop() == 0
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


def await_return(broker: Connection, count: int) -> None:
    """Wait until RabbitMQ has noticed the death of a worker, and exactly this many messages are in the queue."""
    deadline_s = time.monotonic() + 30
    while depth(broker, ORDER_ENTRY) < count:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    assert depth(broker, ORDER_ENTRY) == count


def test_a_broken_invariant_ends_the_worker_and_keeps_the_message(broker: Connection, publisher: Publisher) -> None:
    with Worker(ORDER_ENTRY, app=PROBE) as worker:
        send(publisher, "BROKEN")
        assert worker.wait() == INVARIANT_BROKEN_STATUS
        assert "invariant_broken" in worker.log
    await_return(broker, 1)


def give_back(broker_url: str, *, times: int) -> None:
    """Deliver the messages in the queue a number of times to a consumer that ends without an acknowledgement."""
    for _ in range(times):
        with Connection(broker_url) as dying, dying.channel() as channel:
            before = channel.queue_declare(ORDER_ENTRY, passive=True).message_count
            got: list[object] = []
            channel.basic_consume(ORDER_ENTRY, callback=got.append)
            while len(got) < before:
                dying.drain_events(timeout=10)


def test_only_the_message_that_ends_workers_becomes_a_dead_letter(
    broker: Connection, broker_url: str, publisher: Publisher
) -> None:
    for client in ("A", "B", "KILLER", "C", "D"):
        send(publisher, client)
    give_back(broker_url, times=SUSPICIOUS_DELIVERIES)
    done = ""
    for _ in range(2):  # after two more deaths all messages that arrived with it are handled
        worker = Worker(ORDER_ENTRY, app=PROBE)
        worker.launch()
        assert worker.wait() == -signal.SIGKILL
        done += worker.log
        worker.teardown()
    assert sorted(re.findall(r"clients=(\w)", done)) == ["A", "B", "C", "D"]
    await_return(broker, 1)
    give_back(broker_url, times=DELIVERY_LIMIT - SUSPICIOUS_DELIVERIES - 1)
    (dead,) = take(broker, DEAD_LETTER, 1)
    assert "KILLER" in str(dead.body)


def test_order_entry_keeps_the_order_of_its_messages() -> None:
    # A client's requests take effect in the order in which it sent them.
    assert order_entry.keeps_order


def test_where_order_counts_no_message_overtakes_one_that_ends_its_worker(
    broker: Connection, broker_url: str, publisher: Publisher, tmp_path: Path
) -> None:
    keeps_order = {"PROBE_KEEPS_ORDER": str(tmp_path / "attempts")}
    for client in ("A", "KILLER", "C", "D"):
        send(publisher, client)
    give_back(broker_url, times=SUSPICIOUS_DELIVERIES)
    done = ""
    for _ in range(HARMFUL_ATTEMPTS):
        worker = Worker(ORDER_ENTRY, app=PROBE, environment=keeps_order)
        worker.launch()
        assert worker.wait() == -signal.SIGKILL
        done += worker.log
        worker.teardown()
    assert re.findall(r"clients=(\w)", done) == ["A"]
    with Worker(ORDER_ENTRY, app=PROBE, environment=keeps_order) as worker:
        (dead,) = take(broker, DEAD_LETTER, 1)
        assert "KILLER" in str(dead.body)
        worker.wait_for_log("clients=D")
        alive = settings().run_directory / "alive" / worker.hostname()
        Exchange.wait_until(
            lambda: alive.exists() and alive.read_text().split()[1] == "3", "KILLER, C and D were redelivered to it"
        )
        assert worker.stop() == 0
        assert re.findall(r"clients=(\w)", worker.log) == ["C", "D"]
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


def test_a_message_that_no_worker_got_to_is_handled_however_often_it_was_delivered(
    broker: Connection, broker_url: str, publisher: Publisher, tmp_path: Path
) -> None:
    for client in ("A", "OUTAGE"):
        send(publisher, client)
    give_back(broker_url, times=DELIVERY_LIMIT - 1)
    with Worker(ORDER_ENTRY, app=PROBE, environment={"PROBE_KEEPS_ORDER": str(tmp_path / "attempts")}) as worker:
        worker.wait_for_log("clients=A")
        # A service was away during HARMFUL_ATTEMPTS attempts; the message has ended no worker.
        worker.wait_for_log("clients=OUTAGE")
        assert worker.log.count("unit_delayed") == HARMFUL_ATTEMPTS
        assert worker.stop() == 0
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


@pytest.mark.parametrize(
    ("queues", "sentence"),
    [
        pytest.param((), "name the queues of this worker with -Q", id="none"),
        pytest.param(("order_enrty",), "there is no queue order_enrty; -Q takes", id="misspelt"),
    ],
)
def test_a_worker_on_unknown_queues_names_the_valid_ones(queues: tuple[str, ...], sentence: str) -> None:
    worker = Worker(*queues, app=PROBE)
    with pytest.raises(WorkerFailed, match=sentence):
        worker.start()


def test_a_message_without_a_queue_is_not_sent(broker: Connection, publisher: Publisher) -> None:
    with pytest.raises(NotSent, match="no such queue"):
        publisher.send("order_entry.of_another_exchange", batch_of("A"), size=1)
    send(publisher, "A")  # the publisher continues to work
    take(broker, ORDER_ENTRY, 1)


GOOD_BODY = '[[[[[["order",1,"A",null,"MSFT","limit","buy",1,100,"gtc",false,0]]]]],{},{}]'


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param("this is not JSON", HEADERS, id="not JSON"),
        pytest.param("5", HEADERS, id="a number"),
        pytest.param("null", HEADERS, id="null"),
        pytest.param("[[], {}]", HEADERS, id="two elements"),
        pytest.param("[[1, 2], {}, {}]", HEADERS, id="wrong arguments"),
        pytest.param(GOOD_BODY.replace("{},{}", '{"a":1},{}'), HEADERS, id="keyword arguments"),
        pytest.param(GOOD_BODY.replace('"buy",1', '"buy",-1'), HEADERS, id="negative quantity"),
        pytest.param(GOOD_BODY.replace(",100,", ",100.5,"), HEADERS, id="float price"),
        pytest.param(b"\xff\xfe" + GOOD_BODY.encode("utf-16-le"), HEADERS, id="UTF-16"),
        pytest.param("[" * 100_000, HEADERS, id="nested"),
        pytest.param(GOOD_BODY, {"task": "no_such_task", "id": "one"}, id="unknown task"),
        pytest.param(GOOD_BODY, {"task": 7, "id": "one"}, id="task is a number"),
        pytest.param(GOOD_BODY, {"task": ["a"], "id": "one"}, id="task is a list"),
        pytest.param(GOOD_BODY, {}, id="no headers"),
        pytest.param('{"task": 5, "id": []}', {}, id="old protocol"),
        pytest.param(GOOD_BODY, {"task": ORDER_ENTRY}, id="no task id"),
        pytest.param(GOOD_BODY, HEADERS | {"id": 5, "timelimit": 7}, id="headers of other types"),
        pytest.param(GOOD_BODY, HEADERS | {"eta": "9999-12-31T00:00:00"}, id="eta in the year 9999"),
        pytest.param(GOOD_BODY, HEADERS | {"expires": "1999-12-31T00:00:00"}, id="expired"),
        pytest.param("x" * 10_000_000, HEADERS, id="10 MB"),
    ],
)
def test_33_an_unreadable_message_becomes_a_dead_letter(
    body: bytes | str, headers: dict[str, object], broker: Connection, publisher: Publisher, probe_worker: Worker
) -> None:
    publish(broker, ORDER_ENTRY, body, headers=headers)
    take(broker, DEAD_LETTER, 1)
    before = probe_worker.log.count("clients=GOOD")
    send(publisher, "GOOD")
    probe_worker.wait_for_log("clients=GOOD\n", count=before + 1)
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


@pytest.fixture(scope="module")
def probe_worker(broker_url: str) -> Iterator[Worker]:
    with empty_queues(broker_url), Worker(ORDER_ENTRY, app=PROBE) as worker:
        yield worker
