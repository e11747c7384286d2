"""A Celery application with one stage that does what its orders' client ids tell it to, and logs what it was given."""

from __future__ import annotations

import structlog
from psycopg2 import OperationalError

from celery_app.app import app
from celery_app.stage import InvariantBroken, Stage
from tasks.messages import EntryBatch

app.conf.include = []
log = structlog.get_logger()
outages = {"left": 3}


@app.task(name="order_entry", base=Stage)
def order_entry(batches: list[EntryBatch]) -> None:
    """Handle a unit as the client ids of its orders say."""
    clients = [request.client_id for batch in batches for request in batch.requests]
    if "BAD" in clients:
        raise ValueError("a bad order")
    if "BROKEN" in clients:
        raise InvariantBroken("the books do not add up")
    if "OUTAGE" in clients and outages["left"]:
        outages["left"] -= 1
        raise OperationalError("the database is away")
    log.info("unit_done", messages=len(batches), clients="+".join(clients))
