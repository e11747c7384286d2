"""Sends task messages and returns only when RabbitMQ has them on a quorum queue.

Celery's own `apply_async` describes the arguments of every message in its headers, which for a batch of a thousand
orders costs more than everything else, and it publishes to the default exchange. py-amqp writes and confirms each
message separately. Here all messages of a batch go out in one write of prepared frames, and all confirms that arrive
together are read together.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

import amqp
import msgspec
from amqp.exceptions import AMQPError
from celery import Celery
from celery.utils.nodenames import anon_nodename
from kombu import Connection
from kombu.exceptions import KombuError

from celery_app import fail_points
from celery_app.frames import ACK, CONFIRM, NACK, TaskFrames, joined
from celery_app.settings import settings
from celery_app.topology import declare, exchange_of_role, stage_of_queue
from celery_app.transport import METHOD_ID_BYTES, BufferedConnection

_CONNECTION_FAULTS = (AMQPError, KombuError, OSError)
# No queue is bound to this key: RabbitMQ confirms a message to it and drops it.
_NOWHERE = "nowhere"
# The headers of Celery's protocol that are the same in every message.
_HEADERS = {"lang": "py", "kwargsrepr": "{}", "ignore_result": True}
# The bit of a confirm that includes all earlier messages.
_MULTIPLE = 1
_NO_CALLBACKS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class NotSent(Exception):
    """No message was queued: RabbitMQ could not be reached, refused the message or had no queue for it."""


class OutcomeUnknown(Exception):
    """A message was sent and RabbitMQ did not answer: it may be queued or not. Sending it again is safe."""


class Parcel(NamedTuple):
    """A batch, its queue, and the number of orders or events in it, which Flower shows.

    first  other batches, encoded, which travel in the same message ahead of it
    """

    queue: str
    batch: msgspec.Struct
    size: int
    first: Sequence[msgspec.Raw] = ()


class Publisher:
    """Publishes to the stock exchange over its own connection; each thread or greenlet needs its own publisher."""

    def __init__(self, app: Celery) -> None:
        fail_points.armed()  # a wrong setting stops the process here
        self._app = app
        self._confirm_timeout_s = settings().confirm_timeout_s
        self._exchange = exchange_of_role(settings().broker_role).name
        # How many nodes of the address to pass over: a silent one takes all the time that there is to connect.
        self._passed_over = 0
        self._connection: Connection | None = None
        self._wire: BufferedConnection | None = None
        self._channel_id = 0
        self._frames: dict[str, TaskFrames] = {}  # of this connection, by queue
        # Delivery tags of messages on this connection: the last one, and those that are not confirmed.
        self._last_tag = 0
        self._unconfirmed: set[int] = set()
        self._refusals: list[str] = []
        # Whether RabbitMQ has stopped reading from this connection because it is short of memory or disk.
        self._blocked = False
        #: Whether a message of the last `send_all` may have reached RabbitMQ.
        self.may_have_sent = False

    def send(self, queue: str, batch: msgspec.Struct, *, size: int) -> None:
        """Put a batch on a queue; see `send_all`."""
        self.send_all([Parcel(queue, batch, size)])

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        """Put each batch on its queue as one message of the queue's task, and wait until RabbitMQ has all of them.

        RabbitMQ confirms them together, so several messages cost one wait.

        raises  NotSent         none of them was queued
                OutcomeUnknown  some may be queued, some not
        """
        if not parcels:
            return
        self.may_have_sent = False
        wire = self._connected()
        self._refusals.clear()
        messages = [self._message(wire, parcel) for parcel in parcels]
        self.may_have_sent = True
        try:
            self._write(wire, messages)
            self._await_confirms(wire)
        except _CONNECTION_FAULTS as failure:
            # A late confirm could be taken for that of a later message, so this connection is not used again.
            self.close()
            raise OutcomeUnknown(f"RabbitMQ did not confirm a message for {_queues(parcels)}: {failure!r}") from failure
        if self._unconfirmed:
            # RabbitMQ reads the sent messages when its alarm is over, even from a closed connection.
            self.close()
            raise OutcomeUnknown(f"RabbitMQ is short of memory or disk, with messages for {_queues(parcels)} under way")
        if self._refusals:
            refused = f"RabbitMQ took {len(parcels) - len(self._refusals)} of {len(parcels)} messages: {self._refusals}"
            raise NotSent(refused) if len(self._refusals) == len(parcels) else OutcomeUnknown(refused)

    def _message(self, wire: BufferedConnection, parcel: Parcel) -> list[bytes]:
        """Return the frames of a message."""
        frames = self._frames.get(parcel.queue)
        if frames is None:
            frames = self._frames[parcel.queue] = TaskFrames(
                self._channel_id,
                exchange=self._exchange,
                queue=parcel.queue,
                headers=_HEADERS | {"task": stage_of_queue(parcel.queue), "origin": anon_nodename()},
                frame_max=wire.frame_max,
            )
        return frames.of(
            str(uuid4()), msgspec.json.encode((([*parcel.first, parcel.batch],), {}, _NO_CALLBACKS)), size=parcel.size
        )

    def _write(self, wire: BufferedConnection, messages: list[list[bytes]]) -> None:
        """Send messages in one write, which the death of this process or of the connection may cut anywhere."""
        self._expect_confirms(len(messages))
        if fail_points.is_armed("publisher.sent_one"):
            for message in messages:
                wire.send(joined([message]), timeout_s=self._confirm_timeout_s)
                fail_points.reach("publisher.sent_one")
        else:
            wire.send(joined(messages), timeout_s=self._confirm_timeout_s)

    def _expect_confirms(self, messages: int) -> None:
        first = self._last_tag + 1
        self._last_tag += messages
        self._unconfirmed.update(range(first, self._last_tag + 1))

    def _await_confirms(self, wire: BufferedConnection) -> None:
        """Return when all messages are confirmed, or when RabbitMQ reports that it has stopped reading."""
        deadline = time.monotonic() + self._confirm_timeout_s
        while self._unconfirmed and not self._blocked:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("no confirm in time")
            wire.read_next(left_s)

    def _connected(self) -> BufferedConnection:
        if self._wire is not None and self._is_lost(self._wire):
            self.close()
        if self._wire is None:
            try:
                self._wire = self._connect()
            except _CONNECTION_FAULTS as failure:
                self.close()
                raise NotSent(f"RabbitMQ cannot be reached: {failure!r}") from failure
        if self._blocked:
            raise NotSent("RabbitMQ is short of memory or disk and takes no messages")
        return self._wire

    def _connect(self) -> BufferedConnection:
        # With kombu's own confirms, each message would wait for its own confirm.
        self._connection = self._app.connection_for_write(heartbeat=0, transport_options={"confirm_publish": False})
        for _ in range(self._passed_over % max(1, len(self._connection.alt))):
            self._connection.maybe_switch_next()
        self._passed_over += 1
        self._connection.ensure_connection(max_retries=1, interval_start=0, timeout=self._confirm_timeout_s)
        declare(self._connection)
        channel = self._connection.channel()
        channel.confirm_select()
        channel.events["basic_return"].add(self._on_return)
        wire = self._connection.connection
        assert isinstance(wire, BufferedConnection)
        wire.takers[channel.channel_id, ACK] = self._on_ack
        wire.takers[channel.channel_id, NACK] = self._on_nack
        wire.on_blocked, wire.on_unblocked = self._on_blocked, self._on_unblocked
        self._channel_id = channel.channel_id
        self._frames.clear()
        self._last_tag = 0
        self._unconfirmed.clear()
        self._probe(wire, channel)
        self._passed_over -= 1  # the next attempt begins with the same node
        return wire

    def _probe(self, wire: BufferedConnection, channel: amqp.Channel) -> None:
        """Find out whether RabbitMQ accepts messages: during an alarm it notifies only a connection that sends one.

        So the first message on a connection has no recipient, and no batch gets stuck.
        """
        self._expect_confirms(1)
        channel.basic_publish(
            amqp.Message(b""), exchange=self._exchange, routing_key=_NOWHERE, timeout=self._confirm_timeout_s
        )
        self._await_confirms(wire)

    @staticmethod
    def _is_lost(wire: BufferedConnection) -> bool:
        """Return whether RabbitMQ has hung up since the last message; found before sending, this leaves no doubt."""
        try:
            wire.read_arrived()
        except _CONNECTION_FAULTS:
            return True
        return False

    def _on_ack(self, payload: bytes) -> None:
        tag, bits = CONFIRM.unpack_from(payload, METHOD_ID_BYTES)
        if bits & _MULTIPLE:
            self._unconfirmed -= {earlier for earlier in self._unconfirmed if earlier <= tag}
        else:
            self._unconfirmed.discard(tag)

    def _on_nack(self, payload: bytes) -> None:
        before = len(self._unconfirmed)
        self._on_ack(payload)
        self._refusals += ["the queue is full"] * (before - len(self._unconfirmed))

    def _on_return(self, exception: Exception, *_: object) -> None:
        self._refusals.append(f"no such queue: {exception}")  # RabbitMQ confirms this message as well

    def _on_blocked(self, _reason: str) -> None:
        self._blocked = True

    def _on_unblocked(self) -> None:
        self._blocked = False

    def close(self) -> None:
        """Drop the connection without the closing handshake, in which a hung RabbitMQ would block the process."""
        self._blocked = False
        connection, self._connection, self._wire = self._connection, None, None
        if connection is not None:
            connection.collect(socket_timeout=0.1)


def _queues(parcels: Sequence[Parcel]) -> str:
    return ", ".join(dict.fromkeys(parcel.queue for parcel in parcels))
