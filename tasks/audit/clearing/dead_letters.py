"""Rule 1: a message that no stage could handle may contain accepted orders, so each dead letter is a finding."""

from __future__ import annotations

import hashlib
from typing import Final

from amqp import Channel, Message
from amqp.exceptions import AccessRefused, AMQPError, NotFound
from kombu import Connection

from celery_app.topology import DEAD_LETTER
from tasks.audit.common.result import MOST_LISTED, CheckResult

# How long RabbitMQ may take to answer [s].
_WAIT_S: Final = 5.0
# From this version on, RabbitMQ discards a message after 20 returns to a quorum queue, and reading it counts as one.
_COUNTS_RETURNS: Final = 4


def check_dead_letters(broker_url: str) -> CheckResult:
    """Check that the queue `dead_letter` is empty; it is also a finding if RabbitMQ does not answer."""
    checked = CheckResult()
    try:
        with Connection(broker_url, connect_timeout=_WAIT_S) as connection:
            _count(connection, checked)
    except NotFound:
        checked.find(f"RabbitMQ has no queue {DEAD_LETTER}; whether messages were lost is unknown")
    except (AMQPError, OSError) as fault:
        checked.find(f"RabbitMQ does not answer, so the dead letters are unknown: {str(fault)[:200]}")
    return checked


def _count(connection: Connection, checked: CheckResult) -> None:
    channel: Channel = connection.channel()
    count = channel.queue_declare(DEAD_LETTER, passive=True).message_count
    checked.checked += count
    named = _names(connection, channel, count)
    for name in named:
        checked.find(name)
    if count > len(named):
        checked.find(f"dead letters without a name here: {count - len(named)}; `make dead-letters` names them")
        checked.found += count - len(named) - 1


def _names(connection: Connection, channel: Channel, count: int) -> list[str]:
    """Return the names of the oldest letters, and put the letters back."""
    version = str(connection.connection.server_properties.get("version", _COUNTS_RETURNS))
    if int(version.partition(".")[0]) >= _COUNTS_RETURNS:
        return []
    names = []
    try:
        for _ in range(min(count, MOST_LISTED)):
            message = channel.basic_get(DEAD_LETTER)
            if message is not None:
                names.append(_name(message))
    except AccessRefused:
        return []  # the role of this process may count dead letters but not read them
    channel.basic_recover(requeue=True)
    return names


def _name(message: Message) -> str:
    """Return the name of a letter, as `make dead-letters` prints it."""
    headers = message.headers or {}
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
    name = hashlib.sha256(body + str(headers.get("id")).encode(errors="replace")).hexdigest()[:10]
    (death, *_) = headers.get("x-death") or [{}]
    return f"dead letter {name} from {death.get('queue')} ({death.get('reason', 'published there')})"
