"""A Celery application with one stage that does what its orders' client ids tell it to, and logs what it was given."""

from __future__ import annotations

import os
import signal
from typing import Any

import structlog
from celery import signals
from psycopg2 import OperationalError

from celery_app.app import app
from celery_app.stage import InvariantBroken, Stage
from tasks.messages import EntryBatch

app.conf.include = []
log = structlog.get_logger()
outages = {"OUTAGE": 3, "LONG OUTAGE": 7}
consumers: list[Any] = []


@signals.worker_ready.connect
def _remember(sender: Any, **_: object) -> None:
    consumers.append(sender)


@app.task(name="order_entry", base=Stage)
def order_entry(batches: list[EntryBatch]) -> None:
    """Handle a unit as the client ids of its orders say."""
    clients = [request.client_id for batch in batches for request in batch.requests]
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
    if "DEAF" in clients:
        # Behind the worker's back: it goes on to beat and to tick, and believes that it consumes.
        consumers[0].task_consumer.cancel()
    log.info("unit_done", messages=len(batches), clients="+".join(clients))
