"""A Celery application with a matching stage that only logs its ticks."""

from __future__ import annotations

import structlog

from celery_app.app import app
from celery_app.stage import Stage
from tasks.messages import CommandBatch

app.conf.include = []
log = structlog.get_logger()


class Ticking(Stage):
    """Logs its ticks."""

    abstract = True

    def tick(self) -> None:
        """Log the tick."""
        log.info("ticked")


@app.task(name="matching", base=Ticking)
def matching(batches: list[CommandBatch]) -> None:
    """Do nothing."""
    del batches
