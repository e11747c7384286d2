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
from enum import Enum, auto
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

# Delivered this often and never acknowledged, a message may be what ends its worker. From then on it is handled alone,
# as are the messages that were delivered with it, so that they do not share its fate at the delivery limit.
SUSPICIOUS_DELIVERIES = 3
# Where the order of the messages counts, those behind the culprit wait for it. It is the first of them, as all before
# it are acknowledged: handled alone from the third delivery on, it has ended three workers, and is a dead letter now.
LAST_DELIVERIES = 2 * SUSPICIOUS_DELIVERIES

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
    #: Whether a message may never overtake an earlier one, not even one that ends its worker again and again.
    keeps_order = False

    def halves(self, batch: Any) -> tuple[Any, Any] | None:  # noqa: ARG002
        """Divide a batch that cannot be handled whole; None where that is unsafe or leads no further.

        A stage overrides it where one transaction for each half does the same as one for both.
        """
        return None

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


class Outcome(Enum):
    """What became of a transaction."""

    DONE = auto()
    DELAYED = auto()  # the world is away: the same may pass later
    FAILED = auto()  # something in it is bad


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
            self._handle_suspicious(readable, deliveries)
        elif readable and not self._run(readable):
            self._isolate(readable)

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
        outcome = self._attempt([batch for _, batches in readable for batch in batches])
        if outcome is Outcome.DELAYED:
            self._wait_with(readable)
        if outcome is not Outcome.DONE:
            return outcome is Outcome.DELAYED
        self._wait_s = FIRST_WAIT_S
        fail_points.reach(f"{self._task.name}.handled")
        for message, _ in readable:
            message.ack()
            self._held[_queue(message)] -= 1
            fail_points.reach(f"{self._task.name}.acknowledged_one")
        self._tell([message for message, _ in readable], time.monotonic() - started)
        return True

    def _attempt(self, batches: list[msgspec.Struct]) -> Outcome:
        """Have the task handle batches in one transaction."""
        try:
            self._task.run(batches)
        except InvariantBroken:
            self._task.halt()
        except Exception as failure:
            if is_of_the_world(failure):
                log.warning("unit_delayed", stage=self._task.name, wait_s=self._wait_s, fault=str(failure)[:200])
                return Outcome.DELAYED
            log.error("unit_failed", stage=self._task.name, batches=len(batches), exc_info=True)
            return Outcome.FAILED
        return Outcome.DONE

    def _wait_with(self, readable: list[tuple[Message, list[msgspec.Struct]]]) -> None:
        """Try messages again later, before all that has come since."""
        self._waiting = [message for message, _ in readable] + self._waiting
        self._schedule(self._wait_s)
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def _handle_suspicious(self, readable: list[tuple[Message, list[msgspec.Struct]]], deliveries: int) -> None:
        """Handle each message alone, as one of them may end the worker before the others are done.

        Where order does not count they are handled in their order and in the reverse one by turns, so that all before
        the culprit and all behind it get done.
        """
        if not self._task.keeps_order:
            self._handle_one_by_one(readable if deliveries % 2 else readable[::-1])
            return
        if _deliveries(readable[0][0]) >= LAST_DELIVERIES:
            self._bury(*readable[0])
            readable = readable[1:]
        self._handle_one_by_one(readable)

    def _handle_one_by_one(self, readable: list[tuple[Message, list[msgspec.Struct]]]) -> None:
        for position, one in enumerate(readable):
            if self._due:  # the world went away in between
                self._waiting += [message for message, _ in readable[position:]]
                return
            if not self._run([one]):
                self._isolate([one])

    def _isolate(self, failed: list[tuple[Message, list[msgspec.Struct]]]) -> None:
        """Split messages that failed as one unit until only the culprits are left, which become dead letters.

        Of n messages with one culprit that costs two transactions for each halving at most. They take effect in their
        order.
        """
        if len(failed) == 1:
            self._divide(*failed[0])
            return
        first, second = failed[: len(failed) // 2], failed[len(failed) // 2 :]
        first_is_done = self._run(first)
        if not first_is_done:
            self._isolate(first)
        if self._due:  # the world went away in between, and what is before these waits
            self._waiting += [message for message, _ in second]
        elif first_is_done and len(second) > 1:
            self._isolate(second)  # the culprit is among them, or only fails together with what is done by now
        elif not self._run(second):
            self._isolate(second)

    def _divide(self, message: Message, batches: list[msgspec.Struct]) -> None:
        """Let all of a message take effect but what fails in it by itself; then the message is a dead letter.

        It goes there whole. Sent back it does no harm, as each stage knows what it has done.
        """
        for batch in batches:
            if not self._divide_batch(batch):
                self._wait_with([(message, batches)])
                return
        self._bury(message, batches)

    def _divide_batch(self, failed: msgspec.Struct) -> bool:
        """Handle a batch that failed in halves, in their order; False when the world went away meanwhile."""
        halves = self._task.halves(failed)
        if halves is None:
            log.error("culprit_found", stage=self._task.name, batch=repr(failed)[:500])
            return True
        for half in halves:
            outcome = self._attempt([half])
            if outcome is Outcome.DELAYED or (outcome is Outcome.FAILED and not self._divide_batch(half)):
                return False
        return True

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
# table that is not there yet, because the migrations are still under way; a server that only reads, as one that is not
# the primary any more; too many connections; a lock or a statement that took too long.
_PASSING_CODES = {"40001", "40P01", "57P01", "57P02", "57P03", "3D000", "42P01", "25006", "53300", "55P03", "57014"}


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
