"""`make dead-letters`: lists messages that no stage could handle, with the reason, and returns one to its queue.

A message leaves `dead_letter` only after RabbitMQ has confirmed a copy on another queue. If the command is stopped in
between, both exist; the stage discards the second one.
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

# The most letters that one call reads, and the characters of a body in the list.
MOST_LETTERS = 1_000
SHORT_BODY = 60

WAIT_S = 10.0

# Newer versions of RabbitMQ drop a message that returned to a quorum queue 20 times, and each call of this command
# returns it once. After this many returns the command replaces it by a copy.
TIRED_DELIVERIES = 10

# The headers that RabbitMQ adds to a dead letter.
_HISTORY = ("x-death", "x-first-death-", "x-last-death-")
_DELIVERIES = ("x-delivery-count", "x-acquired-count")


class NotReturned(Exception):
    """A letter cannot be returned and stays where it is; the message says why."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that no stage could handle.

    name   derived from its content: equal letters have the same name
    queue  its original queue; None: it came from no queue
    died   the time of its dead-lettering, RFC 3339; empty if it came from no queue
    why    the reason of its dead-lettering, and the fault that its content shows now
    """

    name: str
    queue: str | None
    died: str
    why: str
    body: bytes
    message: Message


class DeadLetters:
    """The dead letters, oldest first; RabbitMQ gives them to no other consumer until the connection closes.

    raises  TimeoutError  RabbitMQ does not deliver them
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
        """Return the oldest letter whose name begins with `name`. Raises NotReturned."""
        for letter in self.letters:
            if name and letter.name.startswith(name):
                return letter
        raise NotReturned(f"there is no dead letter {name}: `make dead-letters` lists their names")

    def send_back(self, letter: Letter) -> str:
        """Move a letter to the end of its original queue, and return the queue's name.

        raises  NotReturned  it came from no queue of the exchange, or RabbitMQ does not accept it
        """
        if letter.queue is None or letter.queue not in {queue.name for queue in task_queues()}:
            raise NotReturned(f"{letter.name} came from no queue of the exchange, so it cannot be returned to one")
        self._move(letter, STOCK_EXCHANGE.name, letter.queue, without=_HISTORY + _DELIVERIES)
        return letter.queue

    def refresh(self) -> None:
        """Replace letters that were read so often that RabbitMQ might drop them by copies."""
        for letter in list(self.letters):
            if int(_headers(letter.message).get("x-delivery-count", 0)) >= TIRED_DELIVERIES:
                self._move(letter, DEAD_LETTER_EXCHANGE.name, DEAD_LETTER, without=_DELIVERIES)

    def _move(self, letter: Letter, exchange: str, key: str, *, without: tuple[str, ...]) -> None:
        """Have RabbitMQ confirm a copy on a queue, then acknowledge the letter."""
        headers = {name: value for name, value in _headers(letter.message).items() if not name.startswith(without)}
        properties = {**letter.message.properties, "application_headers": headers, "delivery_mode": 2}
        returned: list[object] = []
        self._copies.events["basic_return"] = {lambda *message: returned.append(message)}
        try:
            self._copies.basic_publish_confirm(
                Message(letter.message.body, **properties),
                exchange=exchange,
                routing_key=key,
                mandatory=True,
                timeout=WAIT_S,
            )
        except (AMQPError, OSError) as fault:
            raise NotReturned(f"RabbitMQ did not accept {letter.name} for {key}, so it stays: {fault!r}") from fault
        if returned:
            raise NotReturned(f"there is no queue {key}: `make up` declares it")
        self._channel.basic_ack(letter.message.delivery_tag)
        self.letters.remove(letter)


@contextmanager
def dead_letters(broker_url: str) -> Iterator[DeadLetters]:
    """Give the dead letters of a broker inside the block; after it, the remaining ones are back on the queue."""
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
    """Return the fault that the stage of a message's queue finds when it reads the message."""
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
    return f"readable; the worker's log has the reason at message_failed id={headers.get('id')}"


def _headers(message: Message) -> Mapping[str, Any]:
    return message.headers or {}


# -- the command ---------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """List the letters, show one or return one; exit status 1 and one sentence if that fails."""
    parser = argparse.ArgumentParser(
        prog="make dead-letters", description="List messages that no stage could handle, show one or return one."
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="list them, one on each line")
    for command, help_text in (("show", "show one with all its headers"), ("return", "return one to its queue")):
        commands.add_parser(command, help=help_text).add_argument("name", help="its name in the list")
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
    shown = {
        "name": letter.name,
        "queue": letter.queue,
        "died": letter.died,
        "why": letter.why,
        "headers": dict(_headers(letter.message)),
        "properties": {name: text for name, text in letter.message.properties.items() if name != "application_headers"},
        "body": letter.body.decode(errors="backslashreplace"),
    }
    print(json.dumps(shown, indent=2, default=str))  # ASCII, so that no content can control the terminal


def _plain(text: str) -> str:
    """Return the text with control characters escaped, so that it cannot control the terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


if __name__ == "__main__":
    raise SystemExit(main())
