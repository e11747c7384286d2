"""`make dead-letters`: what could not be handled, why, and its way back to the queue it came from.

A message leaves `dead_letter` in one way only: RabbitMQ confirms that it has a copy on another queue, and then the
letter is acknowledged. Who is stopped in between leaves two, which harms nobody: a stage knows what it has done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec
from amqp import Channel, Message
from amqp.exceptions import AMQPError
from kombu import Connection
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from celery_app import app
from celery_app.settings import settings
from celery_app.topology import (
    DEAD_LETTER,
    DEAD_LETTER_EXCHANGE,
    STOCK_EXCHANGE,
    declare,
    stage_of_queue,
    task_queues,
)

# Letters that are looked at in one go, and characters of a body that the list shows.
MOST_LETTERS = 1_000
SHORT_BODY = 60

WAIT_S = 10.0

# Newer versions of RabbitMQ drop what has come back to a quorum queue 20 times, and each look counts as one. What was
# looked at so often is put on the queue anew.
TIRED_DELIVERIES = 10

# What RabbitMQ adds to a message on its way here.
_HISTORY = ("x-death", "x-first-death-", "x-last-death-")
_DELIVERIES = ("x-delivery-count", "x-acquired-count")


class NotReturned(Exception):
    """A letter cannot be sent back; the message says why. It is still there."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that could not be handled.

    name   of what it says: two that say the same have one name
    queue  it came from; None when it came from none
    died   when it came, RFC 3339; empty when it did not come from a queue
    why    how it came here, and what is wrong with it as far as that can be seen now
    """

    name: str
    queue: str | None
    died: str
    why: str
    body: bytes
    message: Message


class DeadLetters:
    """The dead letters, oldest first; nobody else sees them until the connection is given up.

    raises  TimeoutError  RabbitMQ does not deliver what it has
    """

    def __init__(self, connection: Connection, channel: Channel) -> None:
        self._channel = channel
        self._copies = connection.channel()
        count = min(channel.queue_declare(DEAD_LETTER, passive=True).message_count, MOST_LETTERS)
        delivered: list[Message] = []
        if count:
            channel.basic_qos(0, count, False)
            channel.basic_consume(DEAD_LETTER, callback=delivered.append)
        while len(delivered) < count:
            connection.drain_events(timeout=WAIT_S)
        self.letters = [_letter(message) for message in delivered[:count]]

    def find(self, name: str) -> Letter:
        """The oldest letter of a name, of which the beginning will do. Raises NotReturned."""
        for letter in self.letters:
            if name and letter.name.startswith(name):
                return letter
        raise NotReturned(f"there is no dead letter {name}; the list shows their names")

    def send_back(self, letter: Letter) -> str:
        """Put a letter on the queue it came from, at its end, and take it out of the dead letters; returns the queue.

        raises  NotReturned  it came from no queue of the exchange, or RabbitMQ does not take it
        """
        if letter.queue is None or letter.queue not in {queue.name for queue in task_queues()}:
            raise NotReturned(f"{letter.name} came from no queue of the exchange")
        self._move(letter, STOCK_EXCHANGE.name, letter.queue, without=_HISTORY + _DELIVERIES)
        return letter.queue

    def refresh(self) -> None:
        """Put those on the queue anew that were looked at so often that RabbitMQ might drop them."""
        for letter in list(self.letters):
            if int(_headers(letter.message).get("x-delivery-count", 0)) >= TIRED_DELIVERIES:
                self._move(letter, DEAD_LETTER_EXCHANGE.name, DEAD_LETTER, without=_DELIVERIES)

    def _move(self, letter: Letter, exchange: str, key: str, *, without: tuple[str, ...]) -> None:
        """Have RabbitMQ confirm a copy on a queue, then take the letter away."""
        headers = {name: value for name, value in _headers(letter.message).items() if not name.startswith(without)}
        properties = {**letter.message.properties, "application_headers": headers, "delivery_mode": 2}
        returned: list[object] = []
        self._copies.events["basic_return"] = {lambda *told: returned.append(told)}
        try:
            self._copies.basic_publish_confirm(
                Message(letter.message.body, **properties),
                exchange=exchange,
                routing_key=key,
                mandatory=True,
                timeout=WAIT_S,
            )
        except (AMQPError, OSError) as fault:
            raise NotReturned(f"RabbitMQ did not take {letter.name} for {key}: {fault!r}") from fault
        if returned:
            raise NotReturned(f"there is no queue {key}")
        self._channel.basic_ack(letter.message.delivery_tag)
        self.letters.remove(letter)


@contextmanager
def dead_letters(broker_url: str) -> Iterator[DeadLetters]:
    """The dead letters of a broker inside the block; those that are left are back on the queue behind it."""
    with Connection(broker_url, connect_timeout=WAIT_S) as connection:
        declare(connection)
        with connection.channel() as channel:
            taken = DeadLetters(connection, channel)
            yield taken
            taken.refresh()


def _letter(message: Message) -> Letter:
    headers = _headers(message)
    deaths = headers.get("x-death") or [{}]
    queue = deaths[0].get("queue")
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
    name = hashlib.sha256(body + str(headers.get("id")).encode(errors="replace")).hexdigest()[:10]
    died = deaths[0].get("time")
    how = str(deaths[0].get("reason", "published here"))
    return Letter(
        name, queue, died.isoformat() if died else "", f"{how}: {_fault(queue, headers, body)}", body, message
    )


def _fault(queue: str | None, headers: Mapping[str, Any], body: bytes) -> str:
    """What is wrong with a message, as the stage of its queue reads it."""
    task = app.tasks.get(stage_of_queue(queue)) if queue else None
    if task is None:
        return "from no queue of the exchange"
    if headers.get("task") != task.name:
        return f"no message for {task.name}"
    batches = get_type_hints(type(task).run)["batches"]
    try:
        msgspec.json.decode(body, type=tuple[tuple[batches], dict[str, Any], Any])  # type: ignore[valid-type]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        return str(fault)
    return f"can be read; the worker's log says more at message_failed id={headers.get('id')}"


def _headers(message: Message) -> Mapping[str, Any]:
    return message.headers or {}


# -- the command ---------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """List them, show one or send one back; exit status 1 and one sentence when that cannot be."""
    parser = argparse.ArgumentParser(prog="make dead-letters", description="What could not be handled.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="all of them, in a line each")
    for command, help_text in (("show", "one with all its headers"), ("return", "one goes back to its queue")):
        commands.add_parser(command, help=help_text).add_argument("name", help="as the list shows it")
    asked = parser.parse_args(arguments)
    app.loader.import_default_modules()
    try:
        with dead_letters(settings().broker_url.get_secret_value()) as found:
            if asked.command == "show":
                _show(found.find(asked.name))
            elif asked.command == "return":
                print(f"{asked.name} is on the queue {found.send_back(found.find(asked.name))}")
            else:
                _list(found.letters)
    except NotReturned as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except (AMQPError, OSError) as fault:
        print(f"RabbitMQ does not answer ({fault}): see `make status`", file=sys.stderr)
        return 1
    return 0


def _list(found: Sequence[Letter]) -> None:
    table = Table(title=f"{len(found)} dead letters" if found else "no dead letters")
    for column in ("name", "queue", "died", "why", "body"):
        table.add_column(column, no_wrap=column == "name", overflow="fold")
    for letter in found:
        body = letter.body[:SHORT_BODY].decode(errors="backslashreplace")
        table.add_row(
            *(escape(_plain(text)) for text in (letter.name, letter.queue or "", letter.died, letter.why, body))
        )
    Console().print(table)


def _show(letter: Letter) -> None:
    told = {
        "name": letter.name,
        "queue": letter.queue,
        "died": letter.died,
        "why": letter.why,
        "headers": dict(_headers(letter.message)),
        "properties": {name: text for name, text in letter.message.properties.items() if name != "application_headers"},
        "body": letter.body.decode(errors="backslashreplace"),
    }
    print(json.dumps(told, indent=2, default=str))  # ASCII: whatever was sent, a terminal is not steered by it


def _plain(text: str) -> str:
    """Text that steers no terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


if __name__ == "__main__":
    raise SystemExit(main())
