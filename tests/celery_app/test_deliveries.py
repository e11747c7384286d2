"""A batch is acknowledged in one write, and never more than the batch."""

from __future__ import annotations

import pytest
from amqp.exceptions import RecoverableConnectionError
from kombu import Connection, Consumer, Queue
from kombu.message import Message

from celery_app.deliveries import Deliveries
from celery_app.frames import acknowledgement
from celery_app.publisher import Publisher
from celery_app.topology import DEAD_LETTER, ORDER_ENTRY
from tests.celery_app.test_stage import send
from tests.support.broker import depth, take

NAMES = "ABCDEFGH"


class Taken:
    """The messages of eight clients, delivered and not settled."""

    def __init__(self, connection: Connection) -> None:
        self._channel = connection.channel()
        self.deliveries = Deliveries()
        self.messages: list[Message] = []
        with Consumer(self._channel, [Queue(ORDER_ENTRY, no_declare=True)], on_message=self._take, auto_declare=False):
            while len(self.messages) < len(NAMES):
                connection.drain_events(timeout=60)

    def _take(self, message: Message) -> None:
        self.deliveries.add(message)
        self.messages.append(message)

    def acknowledge(self, *places: int) -> None:
        """Acknowledge some of the messages."""
        self.deliveries.acknowledge([self.messages[place] for place in places])

    def give_back(self) -> None:
        """Have RabbitMQ deliver again what is not settled."""
        self._channel.close()


@pytest.mark.parametrize(
    ("batches", "rejected", "left"),
    [
        pytest.param([range(7)], [], "H", id="all but the last"),
        pytest.param([[0, 1, 2], [3, 4]], [], "FGH", id="one batch after the other"),
        pytest.param([[4, 2, 3]], [], "ABFGH", id="others are older"),
        pytest.param([[2, 3], [0, 1], [4, 5]], [], "GH", id="two batches in reverse"),
        pytest.param([[0, 2], [3]], [], "BEFGH", id="one in between waits"),
        pytest.param([[0, 2], [3, 4]], [1], "FGH", id="one in between is a dead letter"),
    ],
)
def test_what_is_not_acknowledged_comes_again(
    batches: list[list[int]], rejected: list[int], left: str, broker: Connection, publisher: Publisher
) -> None:
    for name in NAMES:
        send(publisher, name)
    taken = Taken(broker)
    for place in rejected:
        taken.deliveries.reject(taken.messages[place])
    for places in batches:
        taken.acknowledge(*places)
    taken.give_back()
    again = take(broker, ORDER_ENTRY, len(left))
    assert "".join(sorted(str(message.body).split('"')[3] for message in again)) == left
    assert depth(broker, ORDER_ENTRY) == 0
    assert len(take(broker, DEAD_LETTER, len(rejected)) if rejected else []) == len(rejected)


@pytest.mark.parametrize(
    ("batches", "frames"),
    [([range(8)], 1), ([[0, 1], [2, 3, 4]], 2), ([[2, 3]], 2), ([[1], [0, 2]], 2), ([[5, 6], [0]], 3)],
)
def test_one_acknowledgement_is_enough_for_the_oldest_messages(
    batches: list[list[int]], frames: int, broker: Connection, publisher: Publisher
) -> None:
    for name in NAMES:
        send(publisher, name)
    taken = Taken(broker)
    length = len(acknowledgement(1, 1, multiple=False))
    written = 0
    for places in batches:
        tags = [taken.messages[place].delivery_tag for place in places]
        written += len(taken.deliveries.frames_for(1, tags))
        taken.acknowledge(*places)
    assert written == frames * length


def test_over_a_lost_connection_nothing_is_acknowledged(
    broker: Connection, broker_url: str, publisher: Publisher
) -> None:
    for name in NAMES:
        send(publisher, name)
    with Connection(broker_url) as lost:
        taken = Taken(lost)
        lost.collect()
        with pytest.raises(RecoverableConnectionError):
            taken.acknowledge(0)
    assert len(take(broker, ORDER_ENTRY, len(NAMES))) == len(NAMES)
