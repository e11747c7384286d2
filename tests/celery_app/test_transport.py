"""A connection that reads all that has arrived at once leaves nothing lying in its buffer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection
from kombu.asynchronous import Hub

from bench.chaos.proxy import Proxy, through
from celery_app.publisher import Publisher
from celery_app.topology import ORDER_ENTRY
from celery_app.transport import BufferedConnection
from tests.celery_app.test_stage import batch_of
from tests.support.broker import publish

LARGE = batch_of(*(f"C{number:05}" for number in range(20_000)))


@pytest.fixture
def line(broker_url: str) -> Iterator[Proxy]:
    """Return the network in front of RabbitMQ."""
    with Proxy.before(broker_url) as proxy:
        yield proxy


class Looped:
    """A connection that a worker's loop reads, which consumes the queue of order entry."""

    def __init__(self, connection: Connection) -> None:
        wire = connection.connection
        assert isinstance(wire, BufferedConnection)
        self.wire, self.channel = wire, connection.channel()
        self.got: list[Any] = []
        self.handled: list[int] = []
        wire.on_arrived = lambda: self.handled.append(len(self.got))
        self._hub = Hub()
        connection.transport.register_with_event_loop(wire, self._hub)
        self._loop = self._hub.create_loop()

    def consume(self) -> None:
        self.channel.basic_consume(ORDER_ENTRY, callback=self.got.append)

    def turn_until_handled(self, messages: int) -> None:
        deadline_s = time.monotonic() + 60
        while not self.handled or self.handled[-1] < messages:
            assert time.monotonic() < deadline_s
            next(self._loop)


@pytest.fixture
def looped(broker: Connection, broker_url: str, line: Proxy) -> Iterator[Looped]:
    """Return a connection over that network."""
    with Connection(through(broker_url, line)) as connection:
        yield Looped(connection)


def test_what_arrives_with_an_answer_is_handled_in_the_next_turn(looped: Looped, broker: Connection) -> None:
    """Nothing else arrives after it, so the loop would wait for ever."""
    for _ in range(5):
        publish(broker, ORDER_ENTRY, "{}")
    looped.turn_until_handled(0)
    looped.consume()
    deadline_s = time.monotonic() + 60
    while len(looped.got) < 5:
        assert time.monotonic() < deadline_s
        looped.channel.queue_declare(ORDER_ENTRY, passive=True)
    assert looped.handled[-1] == 0
    looped.turn_until_handled(5)


def test_messages_of_any_size_arrive_whole_and_in_order(
    looped: Looped, broker: Connection, publisher: Publisher
) -> None:
    looped.consume()
    bodies = ["1", "2" * 65_536, "3" * 400_000, "4"]
    for body in bodies:
        publish(broker, ORDER_ENTRY, body)
    publisher.send(ORDER_ENTRY, LARGE, size=1)
    looped.turn_until_handled(5)
    arrived = [str(message.body) for message in looped.got]
    assert arrived[:4] == bodies
    assert len(arrived[4]) > 1_000_000
    assert arrived[4].count('"order"') == 20_000


def test_the_loop_notices_that_rabbitmq_has_hung_up(looped: Looped, line: Proxy) -> None:
    looped.turn_until_handled(0)
    line.cut()
    with pytest.raises(OSError, match=r"hung up|reset"):
        looped.turn_until_handled(1)
    assert not looped.wire.connected


def test_nothing_in_time_is_a_time_out_and_keeps_the_connection(looped: Looped) -> None:
    looped.wire.read_arrived()
    with pytest.raises(TimeoutError):
        looped.wire.read_next(0.05)
    with pytest.raises(TimeoutError):
        looped.wire.drain_events(timeout=0.05)
    with pytest.raises(TimeoutError):
        looped.wire.drain_events(timeout=0)
    assert looped.wire.connected
    assert looped.channel.queue_declare(ORDER_ENTRY, passive=True).message_count == 0
