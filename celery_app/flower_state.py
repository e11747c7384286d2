"""Flower's state of the workers: it counts messages, although one event stands for a whole batch of them.

Flower spends about 50 µs on each event, more than a worker on a message. So a worker sends one event for each batch, or
for many (`celery_app.task_events`), with the number of messages in the field `messages`. Flower's list of tasks then
shows the batches, and its counts and metrics are those of the messages.
"""

from __future__ import annotations

from typing import Any

from flower.events import EventsState


class BatchesState(EventsState):
    """Flower's state, in which an event with the field `messages` counts as received and succeeded that many times."""

    def event(self, event: dict[str, Any]) -> None:
        """Handle an event of a worker."""
        super().event(event)
        messages = event.get("messages")
        if not isinstance(messages, int):
            return
        worker, name, succeeded = event["hostname"], event["name"], event["type"]
        # Celery's part above has counted the batch as one success.
        for kind, number in (("task-received", messages), (succeeded, messages - 1)):
            self.counter[worker][kind] += number
            self.metrics.events.labels(worker, kind, name).inc(number)
        of_batch = self.metrics.runtime.labels(worker, name)
        for _ in range(messages - 1):
            of_batch.observe(event["runtime"])
