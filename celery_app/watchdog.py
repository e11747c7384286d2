"""Ends a worker that consumes none of the messages that RabbitMQ has for it, or whose loop hangs.

Every generation of Celery and its libraries has had a fault after which a worker reconnects, reports that it is ready
and gets no messages: its consumer is not registered, or its loop is busy with a dead connection. Nothing fails, so
nothing is logged, and the queue grows. The remedy is a new process. The watchdog detects the condition by its symptoms:
messages are ready, this worker holds none, and none arrives.

A worker can also hang with messages that it holds, in a call that never returns; these stay undelivered to all others.
Its loop then makes no turn for a long time, whatever the services do, because every wait in it has a limit.

The watchdog checks from its own thread and over its own connection, because those of the worker may be what is broken.
It counts checks and not seconds, so that a machine or process that was suspended for a while is not mistaken for a
stalled one.
"""

from __future__ import annotations

import faulthandler
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

# Exit status of a worker that consumes nothing or hangs; the supervisor restarts it.
STALLED_STATUS = 75

# How many checks in a row must find the worker stalled.
LOOKS = 5
# The same for a worker that may be a standby: restarting it costs little and helps little.
LOOKS_OF_A_STANDBY = 10 * LOOKS
# How many checks in a row must find that the loop has made no turn. A batch that waits for a lock may take a while.
LOOKS_OF_A_HANG = 2 * LOOKS
# How long a check may take [s].
_LOOK_S = 4.0


class Progress:
    """How many messages this worker got and how many it holds; only the worker's loop writes these numbers."""

    def __init__(self) -> None:
        # Turns of the loop, attempts to connect, and transactions: what proves that no call hangs.
        self.turns = 0
        # Of this connection, by queue: messages delivered, and those neither acknowledged nor rejected.
        self.delivered: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.connections = 0

    def turned(self) -> None:
        """Note that the loop does not hang."""
        self.turns += 1

    def connected(self) -> None:
        """Start counting for a new connection: deliveries of an earlier one are void."""
        self.connections += 1
        self.delivered.clear()
        self.held.clear()


class Watchdog:
    """Watches the queues of this process.

    queues      the queues that the worker consumes
    patience_s  how long it may consume nothing while messages are ready [s]
    """

    def __init__(self, app: Celery, queues: Collection[str], progress: Progress, *, patience_s: float) -> None:
        self._app = app
        self._queues = tuple(queues)
        self._progress = progress
        self._pause_s = patience_s / LOOKS
        self._connection: Connection | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start watching."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Stop watching: the worker is about to end, and may take its time to save its state."""
        self._stopped.set()

    def _watch(self) -> None:
        idle_looks = dict.fromkeys(self._queues, 0)
        before, waited = self._seen(), self._waiting()
        turns, motionless_looks = self._progress.turns, 0
        while not self._stopped.wait(self._pause_s):
            motionless_looks = motionless_looks + 1 if self._progress.turns == turns else 0
            turns = self._progress.turns
            if motionless_looks >= LOOKS_OF_A_HANG:
                self._end_hang()
            seen, waiting = self._seen(), self._waiting()
            for queue in self._queues:
                messages, consumers = waiting.get(queue, (0, 0))
                is_idle = messages > 0 and seen[queue] == before[queue] and not self._progress.held[queue]
                looks = LOOKS
                if self._may_be_standby(queue, consumers):
                    # The messages are for another worker, which is alive as long as they become fewer.
                    is_idle = is_idle and messages >= waited.get(queue, (0, 0))[0]
                    looks = LOOKS_OF_A_STANDBY
                idle_looks[queue] = idle_looks[queue] + 1 if is_idle else 0
                if idle_looks[queue] >= looks:
                    self._end(queue, messages, consumers)
            before, waited = seen, waiting

    def _seen(self) -> dict[str, tuple[int, int]]:
        """Return the progress on each queue; any change is progress."""
        return {queue: (self._progress.connections, self._progress.delivered[queue]) for queue in self._queues}

    def _may_be_standby(self, queue: str, consumers: int) -> bool:
        """Return whether this worker may rightly get no messages, because RabbitMQ delivers to another one.

        consumers  the number to which RabbitMQ delivers: one or none for a matching queue
        """
        return stage_of_queue(queue) == MATCHING and consumers > 0 and not self._progress.delivered[queue]

    def _waiting(self) -> dict[str, tuple[int, int]]:
        """Return the ready messages and the consumers of each queue; an empty dict while RabbitMQ is away."""
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
            # The worker's own connection has the same fault, and reports it.
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.collect(socket_timeout=0.1)
            return {}
        return found

    def _end_hang(self) -> None:
        held = {queue: count for queue, count in self._progress.held.items() if count}
        log.error("worker_hangs", held=held, status=STALLED_STATUS, advice="the traceback shows where")
        faulthandler.dump_traceback(all_threads=True)
        # Each stage recognises its own work, so what this worker holds is delivered again without harm.
        os._exit(STALLED_STATUS)

    def _end(self, queue: str, messages: int, consumers: int) -> None:
        log.error("worker_stalled", queue=queue, messages=messages, consumers=consumers, status=STALLED_STATUS)
        # The worker holds no message, and its loop may hang: it has nothing to save and cannot be asked to stop.
        os._exit(STALLED_STATUS)
