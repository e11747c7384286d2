"""A Celery application with one stage that does what its orders' client ids say, and logs what it gets."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import structlog
from celery import signals
from psycopg2 import OperationalError

from celery_app import gathering
from celery_app.app import app
from celery_app.faults import InvariantBroken
from celery_app.stage import Stage
from tasks.messages import EntryBatch

app.conf.include = []
# Set by a test: messages may not overtake each other, and this is the file for attempts to handle suspicious ones.
KEEPS_ORDER = "PROBE_KEEPS_ORDER"
# Set by a test: the pause after a batch of two messages [s].
GATHERS_S = "PROBE_GATHERS_S"
if GATHERS_S in os.environ:
    gathering.MESSAGE_S = gathering.LONGEST_S = float(os.environ[GATHERS_S])  # type: ignore[misc]
# The time in a part of a divided batch.
PART = 1
log = structlog.get_logger()
outages = {"OUTAGE": 3, "LONG OUTAGE": 7}
consumers: list[Any] = []


@signals.worker_ready.connect
def _remember(sender: Any, **_: object) -> None:
    consumers.append(sender)


class Probe(Stage):
    """Divides a batch whose first order is DIVISIBLE's."""

    abstract = True
    keeps_order = bool(os.environ.get(KEEPS_ORDER))

    def attempt(self, message_id: str) -> int:
        """Note an attempt in a file."""
        notes = Path(os.environ[KEEPS_ORDER])
        with notes.open("a") as file:
            file.write(f"{message_id}\n")
        return notes.read_text().split().count(message_id)

    def halves(self, batch: EntryBatch) -> tuple[EntryBatch, EntryBatch] | None:
        """Divide a batch."""
        requests = batch.requests
        if len(requests) == 1 or (batch.sent_us != PART and requests[0].client_id != "DIVISIBLE"):
            return None
        middle = len(requests) // 2
        return EntryBatch(requests[:middle], PART), EntryBatch(requests[middle:], PART)


@app.task(name="order_entry", base=Probe)
def order_entry(batches: list[EntryBatch]) -> None:
    """Handle a batch as the client ids of its orders say."""
    clients = [request.client_id for batch in batches for request in batch.requests]
    log.info("unit_begun", messages=len(batches), begun="+".join(clients))
    if "BAD" in clients:
        raise ValueError("a bad order")
    if "BROKEN" in clients:
        raise InvariantBroken("the books do not add up")
    for client in clients:
        if outages.get(client):
            outages[client] -= 1
            raise OperationalError("the database is away")
    if "KILLER" in clients:
        os.kill(os.getpid(), signal.SIGKILL)
    if "HANGING" in clients:
        threading.Event().wait()
    if "DEAF" in clients:
        # The worker does not notice: it continues to beat and to tick as if it consumed.
        consumers[0].task_consumer.cancel()
    log.info("unit_done", messages=len(batches), clients="+".join(clients))
