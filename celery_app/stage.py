"""A stage of the pipeline: a Celery task that takes a list of messages, and handles all delivered ones as one unit.

The cost of the pipeline is per message, not per order. So what the worker finds delivered, up to its prefetch, is
one call of the task: one transaction, one message to each stage behind it, then the acknowledgements. There is no
timer: a lone message is handled at once, a crowd together.

The seam is Celery's own. A task class names a strategy, the function that receives the messages of a task in the
worker; the default one hands each to the pool. The unit runs in the worker's main loop, so pool and concurrency do
not matter to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NoReturn, get_type_hints

import msgspec
import psycopg2
import structlog
from celery import Celery, Task
from celery.worker import state
from kombu.message import Message
from psycopg2 import InterfaceError, OperationalError
from sqlalchemy.exc import DBAPIError

from celery_app import fail_points
from celery_app.publisher import NotSent, OutcomeUnknown

log = structlog.get_logger()

# Back-off of a unit whose database or broker is away: first wait, and longest [s].
FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 2.0

# Delivered so often and never acknowledged, a message may be what ends its worker. It is then handled alone, as are
# those that were delivered with it, so that they do not share its fate at the delivery limit; in this order and in the
# reverse one by turns, so that all before it and all behind it get done.
SUSPICIOUS_DELIVERIES = 3

# Exit status of a worker whose state is not to be trusted; the supervisor does not start it again.
INVARIANT_BROKEN_STATUS = 70


class InvariantBroken(Exception):
    """Something that cannot be has been seen: the state of this worker is not to be trusted any more."""


class Stage(Task):
    """Base of the stage tasks. The one argument of `run` is annotated `list[Batch]`; messages are decoded as that."""

    Strategy = "celery_app.stage:strategy"
    abstract = True

    #: Set when an invariant broke: what this worker holds in memory is not to be put away as good.
    broken = False

    def prepare(self, queues: list[str]) -> None:
        """Called once before anything is consumed: wait for the database, recover state."""

    def connected(self) -> None:
        """Called for every new connection to RabbitMQ, before it consumes: what an earlier one delivered is void."""

    def tick(self) -> None:
        """Called about once a second between units while the worker is connected to RabbitMQ."""

    def stop(self) -> None:
        """Called at a warm stop, after the last unit."""

    def halt(self) -> NoReturn:
        """End the worker because an invariant is broken, as the exception being handled says."""
        log.critical("invariant_broken", stage=self.name, exc_info=True)
        self.broken = True
        raise SystemExit(INVARIANT_BROKEN_STATUS) from None


class Unit:
    """The messages delivered for one task over one connection to RabbitMQ, and their handling."""

    def __init__(self, task: Stage, consumer: Any) -> None:
        self._task = task
        self._consumer = consumer
        self._connection = consumer.connection
        self._events = consumer.event_dispatcher
        self._held = consumer.progress.held
        self._most = max(consumer.initial_prefetch_count, 1)
        self._waiting: list[Message] = []
        self._due = False
        self._wait_s = FIRST_WAIT_S
        batches = get_type_hints(type(task).run)["batches"]
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(
            tuple[tuple[batches], dict[str, Any], Any]  # type: ignore[valid-type]
        ).decode

    def receive(self, message: Message, *_: object) -> None:
        """Take a message that the worker's loop has read; the unit is handled in the loop's next turn."""
        self._held[_queue(message)] += 1
        self._waiting.append(message)
        self._schedule(0)

    def _schedule(self, wait_s: float) -> None:
        if not self._due:
            self._due = True
            # A callback of call_soon would run before the sockets are looked at and stall the loop.
            self._consumer.hub.call_later(wait_s, self._handle)

    def _handle(self) -> None:
        if self._consumer.connection is not self._connection:
            return  # RabbitMQ hung up; it delivers these again, over the new connection, to a new unit
        self._read_delivered()
        self._due = False
        messages, self._waiting = self._waiting, []
        readable = [(message, batches) for message in messages if (batches := self._read(message)) is not None]
        deliveries = max((_deliveries(message) for message, _ in readable), default=0)
        if deliveries >= SUSPICIOUS_DELIVERIES:
            log.warning("unit_suspicious", stage=self._task.name, messages=len(readable), deliveries=deliveries)
            self._handle_one_by_one(readable if deliveries % 2 else readable[::-1])
        elif readable and not self._run(readable):
            if len(readable) == 1:
                self._bury(*readable[0])
            else:
                self._handle_one_by_one(readable)

    def _read_delivered(self) -> None:
        """Read what RabbitMQ has sent up to now; the loop alone would read one message a turn."""
        try:
            while len(self._waiting) < self._most:
                self._connection.drain_events(timeout=0)
        except TimeoutError:
            pass  # nothing more is there

    def _read(self, message: Message) -> list[msgspec.Struct] | None:
        """The batches of a message; None when there are none in it, and then it is a dead letter."""
        try:
            headers = message.headers
            if not isinstance(headers.get("id"), str):
                raise msgspec.ValidationError("no task id")
            if headers.get("eta") is not None or headers.get("expires") is not None:
                # An order is handled now or never: what waits or expires in a worker is no message of ours.
                raise msgspec.ValidationError("a message for another time")
            (batches,), keywords, _ = self._decode(_bytes(message.body))
            if keywords:
                raise msgspec.ValidationError("keyword arguments")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
            log.error("message_unreadable", stage=self._task.name, id=_id(message), fault=str(fault)[:200])
            self._reject(message)
            return None
        return list(batches)

    def _run(self, readable: list[tuple[Message, list[msgspec.Struct]]]) -> bool:
        """Handle messages as one unit. False when one of them may be bad; then nothing was done."""
        started = time.monotonic()
        fail_points.reach(f"{self._task.name}.received")
        try:
            self._task.run([batch for _, batches in readable for batch in batches])
        except InvariantBroken:
            self._task.halt()
        except Exception as failure:
            if is_of_the_world(failure):
                log.warning("unit_delayed", stage=self._task.name, wait_s=self._wait_s, fault=str(failure)[:200])
                self._waiting = [message for message, _ in readable] + self._waiting
                self._schedule(self._wait_s)
                self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)
                return True
            log.error("unit_failed", stage=self._task.name, messages=len(readable), exc_info=True)
            return False
        self._wait_s = FIRST_WAIT_S
        fail_points.reach(f"{self._task.name}.handled")
        for message, _ in readable:
            message.ack()
            self._held[_queue(message)] -= 1
            fail_points.reach(f"{self._task.name}.acknowledged_one")
        self._tell([message for message, _ in readable], time.monotonic() - started)
        return True

    def _handle_one_by_one(self, readable: list[tuple[Message, list[msgspec.Struct]]]) -> None:
        for position, one in enumerate(readable):
            if self._due:  # the world went away in between
                self._waiting += [message for message, _ in readable[position:]]
                return
            if not self._run([one]):
                self._bury(*one)

    def _bury(self, message: Message, batches: list[msgspec.Struct]) -> None:
        log.error("message_failed", stage=self._task.name, id=_id(message), batches=len(batches))
        self._reject(message)

    def _reject(self, message: Message) -> None:
        message.reject(requeue=False)
        self._held[_queue(message)] -= 1

    def _tell(self, messages: list[Message], runtime_s: float) -> None:
        """Count the messages, and tell Flower of each: twice, as it counts what was received and what succeeded."""
        state.all_total_count[0] += len(messages)
        state.total_count[self._task.name] += len(messages)
        if not (self._events and self._events.enabled):
            return
        for message in messages:
            task_id = _id(message)
            self._events.send(
                "task-received",
                uuid=task_id,
                name=self._task.name,
                args=str(message.headers.get("argsrepr")),
                kwargs="{}",
            )
            self._events.send("task-succeeded", uuid=task_id, result="None", runtime=runtime_s / len(messages))


def strategy(task: Stage, _app: Celery, consumer: Any) -> Callable[..., None]:
    """What Celery asks for at every connection: the function that takes the messages of a task."""
    return Unit(task, consumer).receive


# Postgres' codes for: serialization failure and deadlock; the server is shutting down or starting; a database or a
# table that is not there yet, because the migrations are still under way.
_PASSING_CODES = {"40001", "40P01", "57P01", "57P02", "57P03", "3D000", "42P01"}


def is_of_the_world(failure: Exception) -> bool:
    """Whether the database or RabbitMQ is away, or two transactions met: then the same unit may pass later."""
    if isinstance(failure, DBAPIError):
        return failure.connection_invalidated or (
            isinstance(failure.orig, psycopg2.Error) and is_of_the_world(failure.orig)
        )
    if isinstance(failure, psycopg2.Error):
        return isinstance(failure, OperationalError | InterfaceError) or failure.pgcode in _PASSING_CODES
    return isinstance(failure, NotSent | OutcomeUnknown)


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else bytes(body) if isinstance(body, memoryview) else str(body).encode()


def _queue(message: Message) -> str:
    return str(message.delivery_info["routing_key"])


def _deliveries(message: Message) -> int:
    """How often a message was delivered before and given back, because its worker or its connection ended."""
    count = (message.headers or {}).get("x-delivery-count", 0)
    return count if isinstance(count, int) else 0


def _id(message: Message) -> str:
    return str((message.headers or {}).get("id"))
