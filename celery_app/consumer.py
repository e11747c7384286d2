"""The worker's consumer: no message may end a worker, and no unreadable message may be lost.

Celery acknowledges a message that it cannot decode. A message without a task id, with a header of the wrong type or
with a body of two elements ends the worker, and RabbitMQ then delivers it to the next one. This consumer rejects every
such message, and the queue's dead-letter exchange keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import structlog
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from kombu import Connection
from kombu.message import Message

from celery_app import liveness
from celery_app.deliveries import Deliveries
from celery_app.faults import InvariantBroken, is_transient
from celery_app.memory import collect_rarely
from celery_app.settings import settings
from celery_app.stage import MessageHandler, Stage
from celery_app.topology import declare, stage_of_queue
from celery_app.transport import BufferedConnection
from celery_app.watchdog import Progress, Watchdog

log = structlog.get_logger()

TICK_S = 1.0

# Back-off of a worker that cannot reach RabbitMQ: the first wait, the growth of each wait, and the longest wait [s].
# Celery's own back-off grows to half a minute, during which a broker that is back would have no workers.
_FIRST_WAIT_S, _LONGER_S, _LONGEST_WAIT_S = 0.2, 0.4, 2.0


# Steps of Celery's consumer that the exchange does not need: workers need not know each other (each start would wait a
# second for answers), and no message is sent for later (for which every worker would declare 28 queues).
_UNUSED_STEPS = {"celery.worker.consumer.delayed_delivery:DelayedDelivery"}


class StageConsumer(Consumer):
    """Prepares the stages before it consumes, ticks them, and makes unreadable messages dead letters."""

    class Blueprint(Consumer.Blueprint):
        """The steps of a worker at each connection to RabbitMQ."""

        default_steps: ClassVar = [step for step in Consumer.Blueprint.default_steps if step not in _UNUSED_STEPS]

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._stages: dict[str, Stage] = {}
        #: Messages delivered and messages held, for the watchdog.
        self.progress = Progress()
        self._redelivered = 0  # messages that RabbitMQ has delivered before, since the start of the worker
        #: The messages of this connection that are not settled, and the handlers of those that are not handled.
        self.deliveries = Deliveries()
        self.handlers: list[MessageHandler] = []
        super().__init__(*arguments, **(keywords | {"without_mingle": True, "without_gossip": True}))

    def start(self) -> None:
        """Prepare the stages of this worker's queues, then consume until the worker must stop."""
        queues = list(self.app.amqp.queues.consume_from)
        self._watchdog = Watchdog(self.app, queues, self.progress, patience_s=settings().stall_patience_s)
        for stage in dict.fromkeys(map(stage_of_queue, queues)):
            task = self.app.tasks[stage]
            try:
                task.prepare([queue for queue in queues if stage_of_queue(queue) == stage])
            except InvariantBroken:
                task.halt()
            self._stages[stage] = task
        collect_rarely()
        self._watchdog.start()
        super().start()

    def connect(self) -> Connection:
        """Connect to RabbitMQ and declare every queue, so that no stage sends to a queue that does not exist."""
        connection = super().connect()
        self.progress.turned()
        declare(connection)
        self.deliveries, self.handlers = Deliveries(), []
        wire = connection.connection
        assert isinstance(wire, BufferedConnection)
        wire.on_arrived = self._handle_delivered
        return connection

    def _handle_delivered(self) -> None:
        """Handle all messages that the loop has just read, before its next turn."""
        for handler in self.handlers:
            handler.handle_delivered()

    def ensure_connected(self, conn: Connection) -> Connection:
        """Try to connect until an attempt succeeds or the worker must stop."""

        def waiting(fault: Exception, wait_s: float) -> None:
            self.progress.turned()
            log.warning(
                "waiting",
                for_="RabbitMQ",
                at=conn.as_uri(),  # without the password
                wait_s=wait_s,
                fault=str(fault)[:200],
                advice="start RabbitMQ there, or correct BROKER_URL and start again",
            )

        return conn.ensure_connection(
            waiting,
            max_retries=None,
            interval_start=_FIRST_WAIT_S,
            interval_step=_LONGER_S,
            interval_max=_LONGEST_WAIT_S,
            callback=maybe_shutdown,
        )

    def register_with_event_loop(self, hub: Any) -> None:
        """Prepare the stages for a new connection, before it consumes."""
        super().register_with_event_loop(hub)
        self.progress.connected()
        for stage in self._stages.values():
            stage.connected()
        hub.call_repeatedly(TICK_S, self._tick)

    def _tick(self) -> None:
        for stage in self._stages.values():
            try:
                stage.tick()
            except InvariantBroken:
                stage.halt()
            except Exception as failure:
                # The work of a tick can wait: the stage continues with its batches, and the next tick tries again.
                if is_transient(failure):
                    log.warning("tick_delayed", stage=stage.name, fault=str(failure)[:200])
                else:
                    log.error("tick_failed", stage=stage.name, exc_info=True)
        self._flush_events()
        liveness.write(settings().run_directory, self.hostname, redelivered=self._redelivered)
        self.progress.turned()

    def _flush_events(self) -> None:
        """Send the task events of the last second; no fault of theirs may make this worker look dead."""
        try:
            if self.event_dispatcher:
                for handler in self.handlers:
                    handler.task_events.end_of_tick()
                self.event_dispatcher.flush()
        except Exception:
            log.error("events_not_sent", exc_info=True)

    def on_send_event_buffered(self) -> None:
        """Let task events wait for the tick: sent after each batch, they would cost more than a single order."""

    def shutdown(self) -> None:
        """Handle what waits, stop consuming, then let the stages save their state."""
        self._stop_gathering()
        self._flush_events()
        super().shutdown()
        self._watchdog.stop()
        for stage in self._stages.values():
            if not stage.broken:
                stage.stop()

    def _stop_gathering(self) -> None:
        try:
            for handler in self.handlers:
                handler.stop_gathering()
        except self.connection_errors as fault:
            log.warning("waiting", for_="RabbitMQ", fault=str(fault)[:200])  # it delivers them again

    def create_task_handler(self, *arguments: Any, **keywords: Any) -> Callable[[Message], None]:
        """Return the function that takes every message; it does not raise for an unreadable one."""
        handle = super().create_task_handler(*arguments, **keywords)
        lost = self.connection_errors

        def on_message(message: Message) -> None:
            self.progress.delivered[message.delivery_info["routing_key"]] += 1
            self._redelivered += message.delivery_info["redelivered"]
            self.deliveries.add(message)
            try:
                handle(message)
            except lost:
                raise
            except Exception as fault:  # noqa: BLE001  # no fault of a message may end the worker
                self._dead_letter(message, fault)

        return on_message

    def on_unknown_message(self, _body: object, message: Message) -> None:
        """Reject a message that names no task."""
        self._dead_letter(message, "no task in its headers")

    def on_unknown_task(self, _body: object, message: Message, fault: Exception) -> None:
        """Reject a message for a task that does not exist."""
        self._dead_letter(message, fault)

    def on_invalid_task(self, _body: object, message: Message, fault: Exception) -> None:
        """Reject a task message with invalid arguments."""
        self._dead_letter(message, fault)

    def on_decode_error(self, message: Message, fault: Exception) -> None:
        """Reject a message whose body contradicts its headers."""
        self._dead_letter(message, fault)

    def _dead_letter(self, message: Message, fault: object) -> None:
        log.error("message_unreadable", queue=message.delivery_info.get("routing_key"), fault=str(fault)[:200])
        if not message.acknowledged:
            self.deliveries.reject(message)
