"""Figures of the queues and the stages, for the metrics and for the stream `pipeline`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from amqp.exceptions import AMQPError
from gevent.lock import Semaphore
from kombu import Connection
from kombu.exceptions import KombuError

from celery_app import app
from celery_app.topology import DEAD_LETTER_QUEUE, declare, task_queues
from db.market_data.figures import Latency

# Time that RabbitMQ may take; when it hangs, its connections stay open [s].
BROKER_S = 3.0
# Latencies come from the reports stored within this time [s].
RECENT_S = 60

# The stage that makes reports of a type.
_STAGES = {"order": "order_entry", "trade": "matching", "settlement": "order_execution"}

# The exceptions of an unreachable RabbitMQ.
BROKER_FAULTS = (AMQPError, KombuError, OSError)


class QueueState(NamedTuple):
    """A queue: its ready messages, and its consumers, standbys included."""

    name: str
    depth: int
    consumers: int


def broker_connection() -> Connection:
    """Return a connection for inspecting queues; using it raises BROKER_FAULTS when RabbitMQ is unreachable."""
    return app.connection_for_read(heartbeat=0, connect_timeout=BROKER_S, transport_options={"read_timeout": BROKER_S})


def queue_states(connection: Connection) -> list[QueueState]:
    """Return every queue in the order of the stages, the dead letters last. Raises BROKER_FAULTS."""
    with connection.channel() as channel:
        found = [channel.queue_declare(queue.name, passive=True) for queue in (*task_queues(), DEAD_LETTER_QUEUE)]
    return [QueueState(*state) for state in found]


class QueueWatch:
    """Inspects the queues over one connection, one inspection at a time; opens the connection when needed."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._one_at_a_time = Semaphore()

    def states(self) -> list[QueueState]:
        """Return every queue, as `queue_states` does. Raises BROKER_FAULTS."""
        with self._one_at_a_time:
            connection, self._connection = self._connection, None
            try:
                if connection is None:
                    connection = broker_connection()
                    declare(connection)
                states = queue_states(connection)
            except BaseException:
                # Even after a timeout in the middle: the connection must not be used again.
                if connection is not None:
                    with suppress(*BROKER_FAULTS):
                        connection.collect()
                raise
            self._connection = connection
            return states


def latencies_by_stage(latencies: Iterable[Latency]) -> dict[str, list[int]]:
    """Return the latencies of each stage, its queue included, shortest first [us]."""
    taken: dict[str, list[int]] = {}
    for latency in latencies:
        taken.setdefault(_STAGES[latency.event_type], []).append(latency.stage_us)
        taken.setdefault("data_feed", []).append(latency.feed_us)
    return {stage: sorted(values) for stage, values in sorted(taken.items())}


def quantile(values: Sequence[int], fraction: float) -> int:
    """Return a quantile of sorted values; there must be at least one."""
    return values[int(fraction * (len(values) - 1))]
