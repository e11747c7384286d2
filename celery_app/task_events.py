"""What a worker reports to Flower: each batch while they are few, and the others of a tick together.

An event costs the worker, RabbitMQ and Flower 0.1 ms together. A hundred lone orders a second would be 500 events, more
rows than anyone can read. `celery_app.flower_state` counts the messages of an event.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import Struct

from celery_app.summary import summary

# The batches of a tick that are reported one by one.
EACH = 5


@dataclass(frozen=True, slots=True)
class _Handled:
    """Handled messages: the task id and the size of the first, the batches of the first and the last batch handled."""

    task_id: str
    size: str
    first: Sequence[Struct]
    last: Sequence[Struct]
    messages: int
    runtime_s: float

    def with_later(self, later: _Handled) -> _Handled:
        """Return both as one."""
        return replace(
            self,
            last=later.last,
            messages=self.messages + later.messages,
            runtime_s=self.runtime_s + later.runtime_s,
        )


class TaskEvents:
    """The events of one task of a worker, over one connection to RabbitMQ.

    dispatcher  Celery's, which keeps them until the next tick; None without one
    name        of the task
    """

    def __init__(self, dispatcher: Any, name: str) -> None:
        self._dispatcher = dispatcher
        self._name = name
        self._reported = 0
        self._others: _Handled | None = None

    def add(self, task_id: str, size: str, batches: Sequence[Struct], *, messages: int, runtime_s: float) -> None:
        """Report messages that were handled as one batch.

        task_id, size  of the first message, as its headers give them
        runtime_s      the time that the whole batch took [s]
        """
        if not (self._dispatcher and self._dispatcher.enabled):
            return
        handled = _Handled(task_id, size, batches, batches, messages, runtime_s)
        if self._reported < EACH:
            self._reported += 1
            self._send(handled)
        else:
            self._others = handled if self._others is None else self._others.with_later(handled)

    def end_of_tick(self) -> None:
        """Report the batches of this tick that have not been reported."""
        self._reported = 0
        if self._others is not None:
            others, self._others = self._others, None
            self._send(others)

    def _send(self, handled: _Handled) -> None:
        batches = handled.first if handled.first is handled.last else [*handled.first, *handled.last]
        more = f" and {handled.messages - 1} more messages" if handled.messages > 1 else ""
        about = summary(batches)
        self._dispatcher.send(
            "task-succeeded",
            uuid=handled.task_id,
            name=self._name,
            args=f"{handled.size}{more}" + (about and f": {about}"),
            kwargs="{}",
            result="None",
            received=time.time() - handled.runtime_s,
            runtime=handled.runtime_s / handled.messages,
            messages=handled.messages,
        )
