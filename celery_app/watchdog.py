"""Ends a worker that RabbitMQ has messages for and that consumes none of them.

In every generation of Celery and its libraries there was a fault after which a worker, connected anew, says that it is
ready and gets nothing: its consumer is not registered, or its loop is busy with a connection that is none. Nothing
fails, so nothing is logged, and the queue grows. The cure is another process; this finds the illness, by what it is:
messages lie ready, this worker holds none, and none comes.

It looks from a thread and over a connection of its own, because those of the worker are what may be broken. It counts
looks and not seconds, so that a machine or process that was stopped for a while is not taken for ill.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Collection

import structlog
from amqp.exceptions import AMQPError
from celery import Celery
from kombu import Connection
from kombu.exceptions import KombuError

from celery_app.topology import MATCHING, stage_of_queue

log = structlog.get_logger()

# Exit status of a worker that consumes nothing: try again. The supervisor starts it anew.
STALLED_STATUS = 75

# So many looks in a row have to find it stalled.
LOOKS = 5
# And so many where it may be a standby, whose start anew costs little and helps little.
LOOKS_OF_A_STANDBY = 10 * LOOKS
# How long a look may take [s].
_LOOK_S = 4.0


class Progress:
    """What the consumer of this process was given, and what of it is in hand; written by the worker's loop alone."""

    def __init__(self) -> None:
        # Over this connection, by queue: messages that came, and how many of them are not acknowledged or rejected.
        self.delivered: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.connections = 0

    def connected(self) -> None:
        """A new connection: what an earlier one delivered is void."""
        self.connections += 1
        self.delivered.clear()
        self.held.clear()


class Watchdog:
    """Watches the queues of this process.

    queues      what the worker consumes
    patience_s  how long it may consume nothing although there is something [s]
    """

    def __init__(self, app: Celery, queues: Collection[str], progress: Progress, *, patience_s: float) -> None:
        self._app = app
        self._queues = tuple(queues)
        self._progress = progress
        self._pause_s = patience_s / LOOKS
        self._connection: Connection | None = None

    def start(self) -> None:
        """Watch for as long as the process lives."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        pause = threading.Event()
        idle_looks = dict.fromkeys(self._queues, 0)
        before, waited = self._seen(), self._waiting()
        while not pause.wait(self._pause_s):
            seen, waiting = self._seen(), self._waiting()
            for queue in self._queues:
                messages, consumers = waiting.get(queue, (0, 0))
                is_idle = messages > 0 and seen[queue] == before[queue] and not self._progress.held[queue]
                looks = LOOKS
                if self._may_be_standby(queue, consumers):
                    # Then the messages are for another worker, and as long as they get fewer, that one lives.
                    is_idle = is_idle and messages >= waited.get(queue, (0, 0))[0]
                    looks = LOOKS_OF_A_STANDBY
                idle_looks[queue] = idle_looks[queue] + 1 if is_idle else 0
                if idle_looks[queue] >= looks:
                    self._end(queue, messages, consumers)
            before, waited = seen, waiting

    def _seen(self) -> dict[str, tuple[int, int]]:
        """What there is of progress on each queue; any change is some."""
        return {queue: (self._progress.connections, self._progress.delivered[queue]) for queue in self._queues}

    def _may_be_standby(self, queue: str, consumers: int) -> bool:
        """Whether this worker may rightly get nothing, because RabbitMQ delivers to another one of the queue.

        consumers  those that RabbitMQ delivers to: of a matching queue, one or none
        """
        return stage_of_queue(queue) == MATCHING and consumers > 0 and not self._progress.delivered[queue]

    def _waiting(self) -> dict[str, tuple[int, int]]:
        """Of each queue the messages that lie ready and its consumers; nothing while RabbitMQ is away."""
        found = {}
        try:
            if self._connection is None:
                self._connection = self._app.connection_for_read(
                    heartbeat=0, connect_timeout=_LOOK_S, transport_options={"read_timeout": _LOOK_S}
                )
                self._connection.connect()
            with self._connection.channel() as channel:
                for queue in self._queues:
                    declared = channel.queue_declare(queue, passive=True)
                    found[queue] = int(declared.message_count), int(declared.consumer_count)
        except (AMQPError, KombuError, OSError):
            # The worker's own connection has the same trouble, and reports it.
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.collect(socket_timeout=0.1)
            return {}
        return found

    def _end(self, queue: str, messages: int, consumers: int) -> None:
        log.error("worker_stalled", queue=queue, messages=messages, consumers=consumers, status=STALLED_STATUS)
        # It holds nothing, and its loop may hang: there is nothing to put away and nobody to ask.
        os._exit(STALLED_STATUS)
