"""A stage of the pipeline: a Celery task that handles all delivered messages as one batch.

Each message costs far more than the orders in it. So the worker calls the task once for all messages that RabbitMQ has
delivered, up to its prefetch: one transaction, one message to each later stage, then the acknowledgements. A message
that comes alone is handled at once; after a batch of several, more of them may gather (`celery_app.gathering`).

Celery provides for this. A task class names a strategy, the function that receives the task's messages in the worker;
the default strategy hands each message to the pool. This one runs the batch in the worker's main loop, so pool and
concurrency do not affect it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, ClassVar, NoReturn, get_type_hints

import msgspec
import structlog
from amqp.exceptions import ChannelError, RecoverableConnectionError
from celery import Celery, Task
from celery.worker import state
from kombu.message import Message

from celery_app import fail_points
from celery_app.faults import INVARIANT_BROKEN_STATUS, InvariantBroken, is_transient
from celery_app.gathering import Gathering
from celery_app.settings import settings
from celery_app.task_events import TaskEvents

log = structlog.get_logger()

# Back-off of a batch whose database or broker is unavailable: first wait, and longest [s].
FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 2.0

# A message that RabbitMQ has delivered this often without an acknowledgement may be ending its workers. From then on
# the worker handles it alone, and each message that arrived with it, so that these do not reach the delivery limit.
SUSPICIOUS_DELIVERIES = 3
# Where the order of the messages counts, the messages after the culprit wait for it, so it must go before the delivery
# limit. It becomes a dead letter when this many workers have ended while they handled it alone. Deliveries do not say
# that: a worker may end for another reason, again and again, before it gets to the message.
HARMFUL_ATTEMPTS = 3


class Stage(Task):
    """Base of the stage tasks. The annotation of the one argument of `run`, `list[Batch]`, says how to decode it."""

    Strategy = "celery_app.stage:strategy"
    abstract = True

    #: Set when an invariant is broken: the worker must not save its state.
    broken = False
    #: Whether no message may overtake an earlier one, not even one that ends its worker again and again.
    keeps_order = False
    #: By id, the suspicious messages that this worker has noted, each with the number of attempts noted then.
    attempts: ClassVar[dict[str, int]] = {}

    def halves(self, batch: Any) -> tuple[Any, Any] | None:  # noqa: ARG002
        """Divide a batch that cannot be handled whole; return None where that is unsafe or leads no further.

        A stage overrides this where one transaction for each half has the same effect as one for both.
        """
        return None

    def attempt(self, message_id: str) -> int:
        """Note that a suspicious message is about to be handled alone; return how often that has been noted.

        The note must outlive the worker. A stage that keeps the order of its messages implements this.
        """
        raise NotImplementedError

    def prepare(self, queues: list[str]) -> None:
        """Wait for the database and recover state; the worker calls this once, before it consumes."""

    def connected(self) -> None:
        """Discard what earlier connections delivered; the worker calls this for every new one, before it consumes."""

    def tick(self) -> None:
        """Do periodic work; the worker calls this between batches, about once a second while RabbitMQ is connected."""

    def stop(self) -> None:
        """Save state; the worker calls this at a warm stop, after the last batch."""

    def halt(self) -> NoReturn:
        """End the worker because of the InvariantBroken that is being handled."""
        log.critical("invariant_broken", stage=self.name, exc_info=True)
        self.broken = True
        raise SystemExit(INVARIANT_BROKEN_STATUS) from None


class Outcome(Enum):
    """How a transaction ended."""

    DONE = auto()
    DELAYED = auto()  # a service is unavailable: the same transaction may succeed later
    FAILED = auto()  # the batch contains something bad


class MessageHandler:
    """Handles the messages delivered for one task over one connection to RabbitMQ."""

    def __init__(self, task: Stage, consumer: Any) -> None:
        self._task = task
        self._consumer = consumer
        self._connection = consumer.connection
        self.task_events = TaskEvents(consumer.event_dispatcher, task.name)
        self._held = consumer.progress.held
        self._turned = consumer.progress.turned
        self._deliveries = consumer.deliveries
        self._waiting: list[Message] = []
        self._due = False
        self._wait_s = FIRST_WAIT_S
        self._gathering = Gathering(lambda: consumer.hub, self._look, most=settings().prefetch_messages)
        batches = get_type_hints(type(task).run)["batches"]
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(
            tuple[tuple[batches], dict[str, Any], Any]  # type: ignore[valid-type]
        ).decode

    def receive(self, message: Message, *_: object) -> None:
        """Take a message that the worker's loop has read; messages read together are handled as one batch."""
        self._held[_queue(message)] += 1
        self._waiting.append(message)

    def handle_delivered(self) -> None:
        """Handle the delivered messages, unless they wait for others, or for a service that is unavailable."""
        if self._waiting and not self._due and not self._gathering.holds(self._waiting):
            self._handle()

    def stop_gathering(self) -> None:
        """Handle messages that wait for others; the worker calls this at a warm stop."""
        if self._gathering.cancel():
            self._look()

    def _handle_later(self, wait_s: float) -> None:
        self._due = True
        # call_soon would run the callback before the loop polls its sockets, and stall it.
        self._consumer.hub.call_later(wait_s, self._handle_delayed)

    def _handle_delayed(self) -> None:
        self._due = False
        self._look()

    def _look(self) -> None:
        """Have the worker read what has arrived, and handle what waits.

        A timer of the loop calls this. The loop only logs what a timer raises, except a fault of the connection and the
        end of the worker, and the messages would wait for ever.
        """
        if self._consumer.connection is not self._connection:
            return  # RabbitMQ hung up; it delivers these again over the new connection
        try:
            self._connection.connection.on_readable()
        except self._consumer.connection_errors:
            raise
        except ChannelError as fault:
            raise RecoverableConnectionError(str(fault)) from fault
        except Exception:
            log.critical("unit_failed", stage=self._task.name, exc_info=True)
            raise SystemExit(1) from None

    def _handle(self) -> None:
        messages, self._waiting = self._waiting, []
        readable = [(message, batches) for message in messages if (batches := self._read(message)) is not None]
        deliveries = max((_deliveries(message) for message, _ in readable), default=0)
        if deliveries >= SUSPICIOUS_DELIVERIES:
            log.warning("unit_suspicious", stage=self._task.name, messages=len(readable), deliveries=deliveries)
            self._handle_suspicious(readable, deliveries)
        elif readable:
            if not self._run(readable):
                self._isolate(readable)
            if not self._due:
                self._gathering.begin_after(messages)

    def _read(self, message: Message) -> list[msgspec.Struct] | None:
        """Decode the batches of a message; reject an unreadable one and return None."""
        try:
            headers = message.headers
            if not isinstance(headers.get("id"), str):
                raise msgspec.ValidationError("no task id")
            if headers.get("eta") is not None or headers.get("expires") is not None:
                # A stage handles an order immediately or not at all, so the pipeline sends no such message.
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
        """Handle messages as one batch. Return False if one of them may be bad; nothing has taken effect then."""
        started = time.monotonic()
        fail_points.reach(f"{self._task.name}.received")
        outcome = self._attempt([batch for _, batches in readable for batch in batches])
        if outcome is Outcome.DELAYED:
            self._wait_with(readable)
        if outcome is not Outcome.DONE:
            return outcome is Outcome.DELAYED
        self._wait_s = FIRST_WAIT_S
        fail_points.reach(f"{self._task.name}.handled")
        messages = [message for message, _ in readable]
        self._acknowledge(messages)
        self._report(readable, time.monotonic() - started)
        return True

    def _acknowledge(self, messages: list[Message]) -> None:
        """Acknowledge messages in one write, which the end of this process or of the connection may cut short."""
        point = f"{self._task.name}.acknowledged_one"
        for part in [[message] for message in messages] if fail_points.is_armed(point) else [messages]:
            self._deliveries.acknowledge(part)
            fail_points.reach(f"{self._task.name}.acknowledged_one")
        for message in messages:
            self._held[_queue(message)] -= 1
        self._forget_attempts(messages)

    def _forget_attempts(self, messages: list[Message]) -> None:
        if self._task.attempts:
            for message in messages:
                self._task.attempts.pop(_id(message), None)

    def _attempt(self, batches: list[msgspec.Struct]) -> Outcome:
        """Handle batches in one transaction."""
        self._turned()
        try:
            self._task.run(batches)
        except InvariantBroken:
            self._task.halt()
        except Exception as failure:
            if is_transient(failure):
                log.warning("unit_delayed", stage=self._task.name, wait_s=self._wait_s, fault=str(failure)[:200])
                return Outcome.DELAYED
            log.error("unit_failed", stage=self._task.name, batches=len(batches), exc_info=True)
            return Outcome.FAILED
        return Outcome.DONE

    def _wait_with(self, readable: list[tuple[Message, list[msgspec.Struct]]]) -> None:
        """Keep messages to handle again later, ahead of those that arrive in the meantime."""
        self._waiting = [message for message, _ in readable] + self._waiting
        self._handle_later(self._wait_s)
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def _handle_suspicious(self, readable: list[tuple[Message, list[msgspec.Struct]]], deliveries: int) -> None:
        """Handle each message alone, because one of them may end the worker before it has handled the others.

        Where order does not count, every second delivery is handled in reverse, so that the messages on both sides of
        the culprit get handled.
        """
        if self._task.keeps_order:
            self._handle_one_by_one(readable, may_try=self._may_try)
        else:
            self._handle_one_by_one(readable if deliveries % 2 else readable[::-1])

    def _may_try(self, message: Message, batches: list[msgspec.Struct]) -> bool:
        """Return whether to handle a message alone now; if it has ended too many workers, make it a dead letter.

        A worker notes each message once: while it lives, the message has not ended it, however often a service is away.
        """
        if _deliveries(message) < SUSPICIOUS_DELIVERIES:
            return True
        message_id, noted = _id(message), self._task.attempts
        try:
            if message_id not in noted:
                noted[message_id] = self._task.attempt(message_id)
        except Exception as failure:
            if not is_transient(failure):
                raise
            log.warning("unit_delayed", stage=self._task.name, wait_s=self._wait_s, fault=str(failure)[:200])
            self._wait_with([(message, batches)])
            return False
        if noted[message_id] > HARMFUL_ATTEMPTS:
            self._dead_letter(message, batches)
            return False
        return True

    def _handle_one_by_one(
        self,
        readable: list[tuple[Message, list[msgspec.Struct]]],
        may_try: Callable[[Message, list[msgspec.Struct]], bool] = lambda *_: True,
    ) -> None:
        for position, one in enumerate(readable):
            if self._due:  # a service went away in between
                self._waiting += [message for message, _ in readable[position:]]
                return
            if may_try(*one) and not self._run([one]):
                self._isolate([one])

    def _isolate(self, failed: list[tuple[Message, list[msgspec.Struct]]]) -> None:
        """Split messages that failed as one batch until only the culprits are left, which become dead letters.

        One culprit among n messages costs at most two transactions for each halving. The messages take effect in their
        order.
        """
        if len(failed) == 1:
            self._divide(*failed[0])
            return
        first, second = failed[: len(failed) // 2], failed[len(failed) // 2 :]
        first_is_done = self._run(first)
        if not first_is_done:
            self._isolate(first)
        if self._due:  # a service went away in between, and the messages before these wait
            self._waiting += [message for message, _ in second]
        elif first_is_done and len(second) > 1:
            self._isolate(second)  # the culprit is among them, or fails only together with the first half
        elif not self._run(second):
            self._isolate(second)

    def _divide(self, message: Message, batches: list[msgspec.Struct]) -> None:
        """Let all of a message take effect except the parts that fail on their own; then make it a dead letter.

        The dead letter is the whole message. Sending it again does no harm, because each stage recognises its own work.
        """
        for batch in batches:
            if not self._divide_batch(batch):
                self._wait_with([(message, batches)])
                return
        self._dead_letter(message, batches)

    def _divide_batch(self, failed: msgspec.Struct) -> bool:
        """Handle a failed batch in halves, in their order; return False if a service became unavailable meanwhile."""
        halves = self._task.halves(failed)
        if halves is None:
            log.error("culprit_found", stage=self._task.name, batch=repr(failed)[:500])
            return True
        for half in halves:
            outcome = self._attempt([half])
            if outcome is Outcome.DELAYED or (outcome is Outcome.FAILED and not self._divide_batch(half)):
                return False
        return True

    def _dead_letter(self, message: Message, batches: list[msgspec.Struct]) -> None:
        log.error("message_failed", stage=self._task.name, id=_id(message), batches=len(batches))
        self._reject(message)

    def _reject(self, message: Message) -> None:
        self._deliveries.reject(message)
        self._held[_queue(message)] -= 1
        self._forget_attempts([message])

    def _report(self, handled: list[tuple[Message, list[msgspec.Struct]]], runtime_s: float) -> None:
        """Count the messages, and report them to Flower."""
        state.all_total_count[0] += len(handled)
        state.total_count[self._task.name] += len(handled)
        first = handled[0][0]
        self.task_events.add(
            _id(first),
            str(first.headers.get("argsrepr")),
            [batch for _, batches in handled for batch in batches],
            messages=len(handled),
            runtime_s=runtime_s,
        )


def strategy(task: Stage, _app: Celery, consumer: Any) -> Callable[..., None]:
    """Return the function that takes the messages of a task; Celery asks for it at every connection."""
    handler = MessageHandler(task, consumer)
    consumer.handlers.append(handler)
    return handler.receive


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else bytes(body) if isinstance(body, memoryview) else str(body).encode()


def _queue(message: Message) -> str:
    return str(message.delivery_info["routing_key"])


def _deliveries(message: Message) -> int:
    """Return how often RabbitMQ has delivered a message before, to a worker or over a connection that then ended."""
    count = (message.headers or {}).get("x-delivery-count", 0)
    return count if isinstance(count, int) else 0


def _id(message: Message) -> str:
    return str((message.headers or {}).get("id"))
