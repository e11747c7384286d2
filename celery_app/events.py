"""The events that workers send to Flower; sending them never blocks a worker.

Celery's dispatcher retries a heartbeat until it is sent. When RabbitMQ has closed the connection, as it does after a
worker hung, each retry opens a new connection and then fails on the channel of the old one: the worker does nothing
else forever and consumes nothing (celery issue 4895). So this dispatcher does not retry: an event that it cannot send
waits in its buffer until the worker has a new connection.
"""

from __future__ import annotations

from typing import Any

from celery.app import events
from celery.events.dispatcher import EventDispatcher

# Task events in one message; the worker also sends its waiting events about once a second.
EVENTS_A_MESSAGE = 500


class Dispatcher(EventDispatcher):
    """Sends each event once, and task events in groups."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.buffer_limit = EVENTS_A_MESSAGE

    def send(self, type: str, *arguments: Any, retry: bool = False, **fields: Any) -> None:  # noqa: A002, ARG002
        """Send an event, or keep it for the next connection; ignore `retry`."""
        super().send(type, *arguments, retry=False, **fields)


class Events(events.Events):
    """Celery's events with this module's dispatcher."""

    dispatcher_cls = "celery_app.events:Dispatcher"
