"""Sends task messages and returns only when RabbitMQ has them on a quorum queue.

Celery's own `apply_async` would do, but it describes the arguments of every message in its headers, which for a
batch of a thousand orders costs more than everything else, and it publishes to the default exchange.
"""

from __future__ import annotations

from uuid import uuid4

import msgspec
from amqp.exceptions import AMQPError, MessageNacked
from celery import Celery
from kombu import Connection, Producer
from kombu.exceptions import KombuError

from celery_app.settings import settings
from celery_app.topology import STOCK_EXCHANGE, declare, stage_of_queue

_FAULTS_OF_THE_WORLD = (AMQPError, MessageNacked, KombuError, OSError)
_NO_CALLBACKS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class NotSent(Exception):
    """Surely nothing was queued: RabbitMQ could not be reached, refused the message or had no queue for it."""


class OutcomeUnknown(Exception):
    """The message left and no answer came: it may be queued or not. Sending it again is safe."""


class Publisher:
    """Publishes to the stock exchange over a connection of its own; one for each thread or greenlet."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._confirm_timeout_s = settings().confirm_timeout_s
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._returned: str | None = None

    def send(self, queue: str, batch: msgspec.Struct, *, size: int) -> None:
        """Put a batch on a queue as one message of the queue's task, and wait until RabbitMQ has confirmed it.

        size    what Flower shows of the message: how many orders or events the batch holds
        raises  NotSent, OutcomeUnknown
        """
        task_id = str(uuid4())
        message = self._app.amqp.as_task_v2(
            task_id, stage_of_queue(queue), argsrepr=f"({size} in a batch)", kwargsrepr="{}", ignore_result=True
        )
        producer = self._connected()
        self._returned = None
        try:
            producer.publish(
                msgspec.json.encode(((([batch],)), {}, _NO_CALLBACKS)),
                exchange=STOCK_EXCHANGE.name,
                routing_key=queue,
                mandatory=True,
                content_type="application/json",
                content_encoding="utf-8",
                delivery_mode=2,
                headers=message.headers,
                correlation_id=task_id,
                timeout=self._confirm_timeout_s,
                confirm_timeout=self._confirm_timeout_s,
            )
        except _FAULTS_OF_THE_WORLD as failure:
            # py-amqp takes any confirm that comes for the one it waits for, so after an error a late one of this
            # message could pass for the next message's: the connection is never used again.
            self.close()
            if isinstance(failure, MessageNacked):
                raise NotSent(f"RabbitMQ refused a message for {queue}") from failure
            raise OutcomeUnknown(f"RabbitMQ did not confirm a message for {queue}: {failure!r}") from failure
        if self._returned:
            raise NotSent(f"RabbitMQ has no queue {queue}: {self._returned}")

    def _connected(self) -> Producer:
        if self._producer is not None and self._is_lost():
            self.close()
        if self._producer is None:
            try:
                self._connection = self._app.connection_for_write(heartbeat=0)
                self._connection.ensure_connection(max_retries=1, interval_start=0, timeout=self._confirm_timeout_s)
                declare(self._connection)
                self._producer = Producer(self._connection.channel(), on_return=self._on_return, auto_declare=False)
            except _FAULTS_OF_THE_WORLD as failure:
                self.close()
                raise NotSent(f"RabbitMQ cannot be reached: {failure!r}") from failure
        return self._producer

    def _is_lost(self) -> bool:
        """Whether RabbitMQ hung up since the last message: found out before, it costs no unknown outcome."""
        assert self._connection is not None
        try:
            self._connection.drain_events(timeout=0)
        except TimeoutError:
            return False
        except _FAULTS_OF_THE_WORLD:
            return True
        return False

    def _on_return(self, exception: Exception, *_: object) -> None:
        self._returned = str(exception)

    def close(self) -> None:
        """Drop the connection without a farewell, for which a hung RabbitMQ would keep us waiting."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.collect(socket_timeout=0.1)
