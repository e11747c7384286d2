"""The events by which workers tell Flower how they are; telling never holds a worker up.

Celery's dispatcher tries a heartbeat again and again until it is sent. Over a connection that RabbitMQ has closed, as
it does when a worker hung, each try opens a new connection and then fails on the channel of the old one: the worker
is busy with that for ever and consumes nothing (celery issue 4895). So nothing is tried again: what cannot be sent
waits in the dispatcher's buffer until the worker has a new connection, which it then gets.
"""

from __future__ import annotations

from typing import Any

from celery.app import events
from celery.events.dispatcher import EventDispatcher

# Task events that are sent together; the worker also sends what it has about once a second.
EVENTS_A_MESSAGE = 500


class Dispatcher(EventDispatcher):
    """Sends each event once, and those of tasks together."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.buffer_limit = EVENTS_A_MESSAGE

    def send(self, type: str, *arguments: Any, retry: bool = False, **fields: Any) -> None:  # noqa: A002, ARG002
        """Send an event, or keep it for the next connection; `retry` is not heeded."""
        super().send(type, *arguments, retry=False, **fields)


class Events(events.Events):
    """Celery's events with the dispatcher above."""

    dispatcher_cls = "celery_app.events:Dispatcher"
