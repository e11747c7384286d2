"""RabbitMQ for tests: publish raw messages, and take messages out of queues."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kombu import Connection
from kombu.message import Message

from celery_app.topology import DEAD_LETTER_QUEUE, STOCK_EXCHANGE, declare, task_queues


@contextmanager
def empty_queues(broker_url: str) -> Iterator[Connection]:
    """Return a connection to RabbitMQ with every queue of the exchange declared and empty."""
    with Connection(broker_url, transport_options={"confirm_publish": True}) as connection:
        declare(connection)
        with connection.channel() as channel:
            for queue in (*task_queues(), DEAD_LETTER_QUEUE):
                queue.bind(channel).purge()
        yield connection


def publish(
    connection: Connection,
    queue: str,
    body: bytes | str,
    *,
    headers: Mapping[str, object] | None = None,
    content_type: str = "application/json",
) -> None:
    """Publish bytes to a queue verbatim, and return when RabbitMQ has them."""
    with connection.channel() as channel:
        connection.Producer(channel).publish(
            body,
            exchange=STOCK_EXCHANGE.name,
            routing_key=queue,
            headers=dict(headers or {}),
            content_type=content_type,
            content_encoding="utf-8",
            delivery_mode=2,
        )


def depth(connection: Connection, queue: str) -> int:
    """Return the number of ready messages in a queue; those that a worker holds do not count."""
    with connection.channel() as channel:
        return int(channel.queue_declare(queue, passive=True).message_count)


def take(connection: Connection, queue: str, count: int, *, timeout_s: float = 60.0) -> list[Message]:
    """Take this many messages out of a queue.

    raises  AssertionError  fewer arrived in time
    """
    taken: list[Message] = []
    deadline = time.monotonic() + timeout_s
    with connection.channel() as channel:
        # As a consumer: a queue with a single active consumer does not support Basic.Get.
        channel.basic_qos(0, count, False)
        channel.basic_consume(queue, callback=taken.append)
        while len(taken) < count:
            try:
                connection.drain_events(timeout=max(deadline - time.monotonic(), 0.001))
            except TimeoutError:
                raise AssertionError(f"{len(taken)} of {count} messages came to {queue} in {timeout_s} s") from None
        channel.basic_ack(taken[-1].delivery_tag, multiple=True)
    return taken
