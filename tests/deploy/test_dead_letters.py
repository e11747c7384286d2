"""Dead letters on a real queue are listed, shown, returned, and never lost."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import pytest
from kombu import Connection

from celery_app import app
from celery_app.topology import DATA_FEED, DEAD_LETTER, DEAD_LETTER_EXCHANGE, ORDER_ENTRY, STOCK_EXCHANGE
from deploy import dead_letters
from deploy.dead_letters import TIRED_DELIVERIES, main
from tests.support.broker import depth, publish, take

GOOD = json.dumps([[[[]]], {}, None])


@pytest.fixture(autouse=True)
def _tasks() -> None:
    app.loader.import_default_modules()


def bury(broker: Connection, queue: str, body: bytes | str, **headers: object) -> None:
    """Have RabbitMQ dead-letter a message, as it does when a worker rejects one."""
    publish(broker, queue, body, headers=headers)
    with broker.channel() as channel:
        taken: list[Any] = []
        channel.basic_consume(queue, callback=taken.append)
        while not taken:
            broker.drain_events(timeout=10)
        channel.basic_reject(taken[0].delivery_tag, requeue=False)
    _wait_for(broker, DEAD_LETTER)


def _wait_for(broker: Connection, queue: str, count: int | None = None) -> None:
    deadline = time.monotonic() + 60
    while depth(broker, queue) == 0 if count is None else depth(broker, queue) != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_letters_are_listed_with_queue_and_fault(
    broker: Connection, broker_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list"]) == 0
    assert "no dead letters" in capsys.readouterr().out
    bury(broker, ORDER_ENTRY, '[[[[["order", -1]]]], {}, null]', task=ORDER_ENTRY, id="1")
    bury(broker, DATA_FEED, b"\x1b[31mred\xff", task="nothing")
    publish_dead(broker, "here")
    _wait_for(broker, DEAD_LETTER, 3)
    with dead_letters.dead_letters(broker_url) as found:
        first, second, third = found.letters
    assert (first.queue, second.queue, third.queue) == (ORDER_ENTRY, DATA_FEED, None)
    assert first.why.startswith("rejected: ")
    assert "Expected" in first.why or "Invalid" in first.why
    assert second.why == "rejected: no message for data_feed"
    assert third.why.startswith("published here")
    assert first.died.startswith("2")
    assert len({letter.name for letter in (first, second, third)}) == 3

    assert main([]) == 0
    listed = capsys.readouterr().out
    assert first.name in listed
    assert "\x1b[31mred" not in listed
    assert main(["show", second.name]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["queue"], shown["headers"]["task"], shown["body"]) == (DATA_FEED, "nothing", "\x1b[31mred\\xff")
    _wait_for(broker, DEAD_LETTER, 3)


def publish_dead(broker: Connection, body: str) -> None:
    with broker.channel() as channel:
        broker.Producer(channel).publish(
            body, exchange=DEAD_LETTER_EXCHANGE.name, routing_key=DEAD_LETTER, delivery_mode=2
        )


def test_a_letter_returns_unchanged(broker: Connection, broker_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    number = str(uuid4())
    bury(broker, ORDER_ENTRY, GOOD, task=ORDER_ENTRY, id=number)
    bury(broker, DATA_FEED, GOOD, task=DATA_FEED, id="other")
    with dead_letters.dead_letters(broker_url) as found:
        (name,) = [letter.name for letter in found.letters if letter.queue == ORDER_ENTRY]
    assert main(["return", name]) == 0
    assert capsys.readouterr().out == f"{name} is on the queue order_entry\n"
    (back,) = take(broker, ORDER_ENTRY, 1)
    body = back.body if isinstance(back.body, str) else bytes(back.body).decode()
    assert (body, back.headers) == (GOOD, {"task": ORDER_ENTRY, "id": number})
    _wait_for(broker, DEAD_LETTER, 1)


def test_a_letter_without_a_queue_stays(
    broker: Connection, broker_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_dead(broker, "here")
    bury(broker, ORDER_ENTRY, GOOD, task=ORDER_ENTRY, id="1")
    assert main(["return", "nothing"]) == 1
    assert "there is no dead letter nothing" in capsys.readouterr().err
    _wait_for(broker, DEAD_LETTER, 2)
    with dead_letters.dead_letters(broker_url) as found:
        (name,) = [letter.name for letter in found.letters if letter.queue is None]
    assert main(["return", name]) == 1
    assert "came from no queue" in capsys.readouterr().err
    _wait_for(broker, DEAD_LETTER, 2)


def test_a_letter_that_rabbitmq_does_not_accept_stays(broker: Connection, broker_url: str) -> None:
    bury(broker, ORDER_ENTRY, GOOD, task=ORDER_ENTRY, id="1")
    route = {"queue": ORDER_ENTRY, "exchange": STOCK_EXCHANGE.name, "routing_key": ORDER_ENTRY}
    with broker.channel() as channel:
        try:
            with dead_letters.dead_letters(broker_url) as found:
                channel.queue_unbind(**route)
                with pytest.raises(dead_letters.NotReturned):
                    found.send_back(found.letters[0])
        finally:
            channel.queue_bind(**route)
    _wait_for(broker, DEAD_LETTER, 1)


def test_reading_letters_often_loses_none(broker: Connection, broker_url: str) -> None:
    """A quorum queue counts every read as a delivery, and newer RabbitMQs drop a message after too many."""
    bury(broker, ORDER_ENTRY, GOOD, task=ORDER_ENTRY, id="1")
    counts = []
    for _ in range(2 * TIRED_DELIVERIES + 5):
        with dead_letters.dead_letters(broker_url) as found:
            (letter,) = found.letters
            counts.append(int(letter.message.headers.get("x-delivery-count", 0)))
            assert (letter.queue, letter.body.decode()) == (ORDER_ENTRY, GOOD)
        _wait_for(broker, DEAD_LETTER, 1)
    assert max(counts) == TIRED_DELIVERIES
