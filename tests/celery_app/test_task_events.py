"""Flower learns of every message, in few events."""

from __future__ import annotations

from typing import Any

import pytest

from celery_app.task_events import EACH, TaskEvents
from tasks.messages import EntryBatch, OrderRequest


class Dispatcher:
    """Celery's dispatcher, as TaskEvents uses it."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.sent: list[dict[str, Any]] = []

    def send(self, kind: str, **fields: Any) -> None:
        """Take an event."""
        assert kind == "task-succeeded"
        self.sent.append(fields)


def handle(events: TaskEvents, number: int, *, messages: int = 1, runtime_s: float = 0.01) -> None:
    request = OrderRequest(number, "ANN", None, "MSFT", "limit", "buy", 1, 10_000, "gtc", False, 1)
    events.add(f"task {number}", "(1 in a batch)", [EntryBatch([request])], messages=messages, runtime_s=runtime_s)


def test_the_batches_of_a_tick_beyond_the_first_are_one_event() -> None:
    dispatcher = Dispatcher()
    events = TaskEvents(dispatcher, "order_entry")
    for number in range(EACH + 3):
        handle(events, number, messages=2)
    assert [event["args"] for event in dispatcher.sent] == [
        f"(1 in a batch) and 1 more messages: MSFT {number}" for number in range(EACH)
    ]
    events.end_of_tick()
    others = dispatcher.sent[EACH]
    assert (others["uuid"], others["messages"]) == (f"task {EACH}", 6)
    assert others["args"] == f"(1 in a batch) and 5 more messages: MSFT {EACH} to MSFT {EACH + 2}"
    assert others["runtime"] == pytest.approx(3 * 0.01 / 6)
    assert sum(event["messages"] for event in dispatcher.sent) == 2 * (EACH + 3)
    events.end_of_tick()
    assert len(dispatcher.sent) == EACH + 1
    handle(events, 99)
    assert dispatcher.sent[-1]["args"] == "(1 in a batch): MSFT 99"


@pytest.mark.parametrize("dispatcher", [None, Dispatcher(enabled=False)])
def test_without_flower_nothing_is_kept(dispatcher: Dispatcher | None) -> None:
    events = TaskEvents(dispatcher, "order_entry")
    for number in range(2 * EACH):
        handle(events, number)
    events.end_of_tick()
    assert dispatcher is None or dispatcher.sent == []
