"""Figures of the pipeline as the metrics and the stream `pipeline` both tell them: of the queues, and of the stages."""

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

# How long RabbitMQ may take; a hung one keeps its connections [s].
BROKER_S = 3.0
# Latencies are those of what was stored in this time [s].
RECENT_S = 60

# Whose word a report of a type is.
_STAGES = {"order": "order_entry", "trade": "matching", "settlement": "order_execution"}

# What it may mean that RabbitMQ is away.
BROKER_FAULTS = (AMQPError, KombuError, OSError)


class QueueState(NamedTuple):
    """A queue: messages that are ready, and who takes from it, standbys too."""

    name: str
    depth: int
    consumers: int


def broker_connection() -> Connection:
    """A connection to look at queues with; any of BROKER_FAULTS when it is used and RabbitMQ is away."""
    return app.connection_for_read(heartbeat=0, connect_timeout=BROKER_S, transport_options={"read_timeout": BROKER_S})


def queue_states(connection: Connection) -> list[QueueState]:
    """Every queue in the order of the stages, the dead letters at the end. Raises BROKER_FAULTS."""
    with connection.channel() as channel:
        found = [channel.queue_declare(queue.name, passive=True) for queue in (*task_queues(), DEAD_LETTER_QUEUE)]
    return [QueueState(*state) for state in found]


class QueueWatch:
    """Looks at the queues over one connection, which is opened when there is none; one look at a time."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._one_at_a_time = Semaphore()

    def states(self) -> list[QueueState]:
        """Return every queue as of `queue_states`. Raises BROKER_FAULTS."""
        with self._one_at_a_time:
            connection, self._connection = self._connection, None
            try:
                if connection is None:
                    connection = broker_connection()
                    declare(connection)
                states = queue_states(connection)
            except BaseException:
                # Also when the look was given up in the middle: the connection is not to be used again.
                if connection is not None:
                    with suppress(*BROKER_FAULTS):
                        connection.collect()
                raise
            self._connection = connection
            return states


def latencies_by_stage(latencies: Iterable[Latency]) -> dict[str, list[int]]:
    """How long each stage took, waiting in its queue included, shortest first [us]."""
    taken: dict[str, list[int]] = {}
    for latency in latencies:
        taken.setdefault(_STAGES[latency.event_type], []).append(latency.stage_us)
        taken.setdefault("data_feed", []).append(latency.feed_us)
    return {stage: sorted(values) for stage, values in sorted(taken.items())}


def quantile(values: Sequence[int], fraction: float) -> int:
    """That of values in their order, of which there is at least one."""
    return values[int(fraction * (len(values) - 1))]
