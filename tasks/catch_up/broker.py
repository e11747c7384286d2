"""RabbitMQ as the catch-up needs it: to publish, and to ask whether a queue is empty."""

from __future__ import annotations

from collections.abc import Sequence

from amqp.exceptions import AMQPError
from celery import Celery
from kombu import Connection
from kombu.exceptions import KombuError

from celery_app.publisher import NotSent, Parcel, Publisher

WAIT_S = 4.0


class OurBroker:
    """Two connections: that of the publisher, and one to ask over."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._publisher = Publisher(app)
        self._connection: Connection | None = None

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        """Return when all batches are surely on their queues; raises NotSent, OutcomeUnknown."""
        self._publisher.send_all(parcels)

    def is_empty(self, queue: str) -> bool:
        """Whether no message of a queue is ready; those that workers hold do not count. Raises NotSent."""
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
            raise NotSent(f"RabbitMQ cannot be asked: {fault!r}") from fault
