"""RabbitMQ for the catch-up: publishes messages, and checks whether a queue is empty."""

from __future__ import annotations

from collections.abc import Sequence

from amqp.exceptions import AMQPError
from celery import Celery
from kombu import Connection
from kombu.exceptions import KombuError

from celery_app.publisher import NotSent, Parcel, Publisher

WAIT_S = 4.0


class CatchUpBroker:
    """Two connections to RabbitMQ: one of the publisher, and one for questions."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._publisher = Publisher(app)
        self._connection: Connection | None = None

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        """Send all batches, and return when they are confirmed on their queues; raise NotSent or OutcomeUnknown."""
        self._publisher.send_all(parcels)

    def is_empty(self, queue: str) -> bool:
        """Return whether a queue has no ready message; messages that workers hold do not count. Raise NotSent."""
        try:
            if self._connection is None:
                self._connection = self._app.connection_for_read(
                    heartbeat=0, connect_timeout=WAIT_S, transport_options={"read_timeout": WAIT_S}
                )
                self._connection.connect()
            with self._connection.channel() as channel:
                return not channel.queue_declare(queue, passive=True).message_count
        except (AMQPError, KombuError, OSError) as fault:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.collect(socket_timeout=0.1)
            raise NotSent(f"RabbitMQ does not answer: {fault!r}") from fault
