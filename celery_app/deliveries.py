"""The messages that a worker got over one connection to RabbitMQ, and their acknowledgement: one write per batch."""

from __future__ import annotations

from collections.abc import Sequence

from amqp.exceptions import RecoverableConnectionError
from kombu.message import Message

from celery_app.frames import acknowledgement
from celery_app.transport import BufferedConnection


class Deliveries:
    """The deliveries of a channel that are neither acknowledged nor rejected, in the order of their tags."""

    def __init__(self) -> None:
        self._unsettled: dict[int, None] = {}

    def add(self, message: Message) -> None:
        """Take a message, which must be the most recently delivered one."""
        self._unsettled[message.delivery_tag] = None

    def reject(self, message: Message) -> None:
        """Make a message a dead letter."""
        message.reject(requeue=False)
        self._unsettled.pop(message.delivery_tag, None)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages of one channel.

        One acknowledgement is enough if no other message is older than the newest of them, as is usual. It takes effect
        as a whole, and each one costs RabbitMQ an entry in the log of a quorum queue.

        raises  RecoverableConnectionError, OSError  the connection is lost, so RabbitMQ delivers the messages again
        """
        channel = messages[0].channel
        wire = channel.connection
        if wire is None:
            raise RecoverableConnectionError("the connection is closed")
        assert isinstance(wire, BufferedConnection)
        wire.send(self.frames_for(channel.channel_id, [message.delivery_tag for message in messages]))
        for message in messages:
            self._unsettled.pop(message.delivery_tag, None)

    def frames_for(self, channel_id: int, tags: Sequence[int]) -> bytes:
        """Return the frames that acknowledge exactly these deliveries."""
        newest = max(tags)
        if sum(tag <= newest for tag in self._unsettled) == len(tags):
            return acknowledgement(channel_id, newest, multiple=len(tags) > 1)
        return b"".join(acknowledgement(channel_id, tag, multiple=False) for tag in tags)
