"""Sends task messages and returns only when RabbitMQ has them on a quorum queue.

Celery's own `apply_async` describes the arguments of every message in its headers, which for a batch of a thousand
orders costs more than everything else, and it publishes to the default exchange.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

import msgspec
from amqp.exceptions import AMQPError
from celery import Celery
from kombu import Connection, Producer
from kombu.exceptions import KombuError

from celery_app import fail_points
from celery_app.settings import settings
from celery_app.topology import declare, exchange_of_role, stage_of_queue

_CONNECTION_FAULTS = (AMQPError, KombuError, OSError)
# No queue is bound to this key: RabbitMQ confirms a message to it and drops it.
_NOWHERE = "nowhere"
_NO_CALLBACKS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class NotSent(Exception):
    """No message was queued: RabbitMQ could not be reached, refused the message or had no queue for it."""


class OutcomeUnknown(Exception):
    """A message was sent and RabbitMQ did not answer: it may be queued or not. Sending it again is safe."""


class Parcel(NamedTuple):
    """A batch, its queue, and the number of orders or events in it, which Flower shows."""

    queue: str
    batch: msgspec.Struct
    size: int


class Publisher:
    """Publishes to the stock exchange over its own connection; each thread or greenlet needs its own publisher."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._confirm_timeout_s = settings().confirm_timeout_s
        self._exchange = exchange_of_role(settings().broker_role).name
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        # Delivery tags of messages on this connection: the last one, and those that are not confirmed.
        self._last_tag = 0
        self._unconfirmed: set[int] = set()
        self._refusals: list[str] = []
        # Whether RabbitMQ has stopped reading from this connection because it is short of memory or disk.
        self._blocked = False
        #: Whether a message of the last `send_all` may have reached RabbitMQ.
        self.may_have_sent = False

    def send(self, queue: str, batch: msgspec.Struct, *, size: int) -> None:
        """Put a batch on a queue; see `send_all`."""
        self.send_all([Parcel(queue, batch, size)])

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        """Put each batch on its queue as one message of the queue's task, and wait until RabbitMQ has all of them.

        RabbitMQ confirms them together, so several messages cost one wait.

        raises  NotSent         none of them was queued
                OutcomeUnknown  some may be queued, some not
        """
        if not parcels:
            return
        self.may_have_sent = False
        producer = self._connected()
        self._refusals.clear()
        self.may_have_sent = True
        try:
            for parcel in parcels:
                self._publish(producer, parcel)
                fail_points.reach("publisher.sent_one")
            self._await_confirms(producer.connection)
        except _CONNECTION_FAULTS as failure:
            # A late confirm could pass for that of a later message, so this connection is not used again.
            self.close()
            raise OutcomeUnknown(f"RabbitMQ did not confirm a message for {_queues(parcels)}: {failure!r}") from failure
        if self._unconfirmed:
            # RabbitMQ reads the sent messages when its alarm is over, even from a closed connection.
            self.close()
            raise OutcomeUnknown(f"RabbitMQ is short of memory or disk, with messages for {_queues(parcels)} under way")
        if self._refusals:
            refused = f"RabbitMQ took {len(parcels) - len(self._refusals)} of {len(parcels)} messages: {self._refusals}"
            raise NotSent(refused) if len(self._refusals) == len(parcels) else OutcomeUnknown(refused)

    def _publish(self, producer: Producer, parcel: Parcel) -> None:
        task_id = str(uuid4())
        message = self._app.amqp.as_task_v2(
            task_id,
            stage_of_queue(parcel.queue),
            argsrepr=f"({parcel.size} in a batch)",
            kwargsrepr="{}",
            ignore_result=True,
        )
        producer.publish(
            msgspec.json.encode((([parcel.batch],), {}, _NO_CALLBACKS)),
            exchange=self._exchange,
            routing_key=parcel.queue,
            mandatory=True,
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=2,
            headers=message.headers,
            correlation_id=task_id,
            timeout=self._confirm_timeout_s,
        )
        self._last_tag += 1
        self._unconfirmed.add(self._last_tag)

    def _await_confirms(self, connection: Connection) -> None:
        """Return when all messages are confirmed, or when RabbitMQ reports that it has stopped reading."""
        deadline = time.monotonic() + self._confirm_timeout_s
        while self._unconfirmed and not self._blocked:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("no confirm in time")
            connection.drain_events(timeout=left_s)

    def _connected(self) -> Producer:
        if self._producer is not None and self._is_lost():
            self.close()
        if self._producer is None:
            try:
                self._producer = self._connect()
                self._probe(self._producer)
            except _CONNECTION_FAULTS as failure:
                self.close()
                raise NotSent(f"RabbitMQ cannot be reached: {failure!r}") from failure
        if self._blocked:
            raise NotSent("RabbitMQ is short of memory or disk and takes no messages")
        return self._producer

    def _connect(self) -> Producer:
        # With kombu's own confirms, each message would wait for its confirm.
        self._connection = self._app.connection_for_write(heartbeat=0, transport_options={"confirm_publish": False})
        self._connection.ensure_connection(max_retries=1, interval_start=0, timeout=self._confirm_timeout_s)
        declare(self._connection)
        channel = self._connection.channel()
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        self._last_tag = 0
        self._unconfirmed.clear()
        self._connection.connection.on_blocked = self._on_blocked
        self._connection.connection.on_unblocked = self._on_unblocked
        return Producer(channel, on_return=self._on_return, auto_declare=False)

    def _probe(self, producer: Producer) -> None:
        """Find out whether RabbitMQ takes messages: in an alarm it says so only to a connection that sends one.

        So the first message on a connection has no recipient, and no batch gets stuck.
        """
        producer.publish(b"", exchange=self._exchange, routing_key=_NOWHERE, timeout=self._confirm_timeout_s)
        self._last_tag += 1
        self._unconfirmed.add(self._last_tag)
        self._await_confirms(producer.connection)

    def _is_lost(self) -> bool:
        """Return whether RabbitMQ hung up since the last message: found out before sending, the outcome is known."""
        assert self._connection is not None
        try:
            while True:
                self._connection.drain_events(timeout=0)
        except TimeoutError:
            return False
        except _CONNECTION_FAULTS:
            return True

    def _on_ack(self, tag: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed -= {earlier for earlier in self._unconfirmed if earlier <= tag}
        else:
            self._unconfirmed.discard(tag)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        before = len(self._unconfirmed)
        self._on_ack(tag, multiple)
        self._refusals += ["the queue is full"] * (before - len(self._unconfirmed))

    def _on_return(self, exception: Exception, *_: object) -> None:
        self._refusals.append(f"no such queue: {exception}")  # RabbitMQ confirms this message as well

    def _on_blocked(self, _reason: str) -> None:
        self._blocked = True

    def _on_unblocked(self) -> None:
        self._blocked = False

    def close(self) -> None:
        """Drop the connection without the closing handshake, on which a hung RabbitMQ would block us."""
        self._blocked = False
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.collect(socket_timeout=0.1)


def _queues(parcels: Sequence[Parcel]) -> str:
    return ", ".join(dict.fromkeys(parcel.queue for parcel in parcels))
