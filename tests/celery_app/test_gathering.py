"""The pause after a batch: none for what comes alone, longer the more there was, none after a large batch."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from amqp import Connection
from amqp.exceptions import PreconditionFailed, RecoverableConnectionError
from kombu.asynchronous.timer import Entry

from celery_app.deliveries import Deliveries
from celery_app.gathering import Gathering, gathering_s
from celery_app.stage import MessageHandler
from celery_app.watchdog import Progress
from tasks.order_entry.task import order_entry


@pytest.mark.parametrize(
    ("messages", "size", "pause_ms"),
    [
        (0, 0, 0),
        (1, 250, 0),  # a lone order
        (1, 15_000, 0),  # a lone array of 100
        (2, 400, 4),
        (3, 1_200, 9),
        (2, 8_000, 23),
        (5, 30_000, 25),
        (31, 127_999, 25),
        (31, 128_000, 0),
        (32, 8_000, 0),  # more could not be in a batch
    ],
)
def test_the_pause_after_a_batch(messages: int, size: int, pause_ms: int) -> None:
    assert gathering_s(messages, size, most=32) == pytest.approx(pause_ms / 1000)


class Loop:
    """A worker's loop whose only timer ends when the test says so."""

    def __init__(self) -> None:
        self.timers: list[Entry] = []

    def call_later(self, _wait_s: float, call: Callable[[], None]) -> Entry:
        """Note a timer."""
        self.timers.append(Entry(call))
        return self.timers[-1]


def messages(count: int, *, size: int = 200) -> list[Any]:
    return [SimpleNamespace(body=b"x" * size) for _ in range(count)]


def test_messages_wait_until_the_time_is_over() -> None:
    loop, ends = Loop(), []
    gathering = Gathering(lambda: loop, lambda: ends.append("over"), most=32)
    gathering.begin_after(messages(1))
    assert not loop.timers
    gathering.begin_after(messages(2))
    assert gathering.holds(messages(1))
    loop.timers[0]()
    assert ends == ["over"]
    assert not gathering.holds(messages(1))


@pytest.mark.parametrize("enough", [messages(32), messages(2, size=64_000)])
def test_enough_messages_end_the_pause(enough: list[Any]) -> None:
    loop = Loop()
    gathering = Gathering(lambda: loop, lambda: None, most=32)
    gathering.begin_after(messages(2))
    assert not gathering.holds(enough)
    assert loop.timers[0].canceled
    assert not gathering.cancel()


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (PreconditionFailed("delivery unknown"), RecoverableConnectionError),  # so the worker connects again
        (ConnectionResetError("RabbitMQ has hung up"), ConnectionResetError),
        (ValueError("a fault of ours"), SystemExit),  # so the supervisor starts it again
    ],
)
def test_the_loop_does_not_swallow_a_fault_at_the_end_of_a_pause(fault: Exception, raised: type[BaseException]) -> None:
    def read() -> None:
        raise fault

    consumer = SimpleNamespace(
        connection=SimpleNamespace(connection=SimpleNamespace(on_readable=read)),
        connection_errors=Connection.connection_errors,
        deliveries=Deliveries(),
        event_dispatcher=None,
        hub=Loop(),
        progress=Progress(),
    )
    handler = MessageHandler(order_entry, consumer)
    handler._gathering.begin_after(messages(2))  # as after a batch
    with pytest.raises(raised):
        consumer.hub.timers[0]()
