"""The services that the stages share, opened at the first use: one of each for a worker process."""

from __future__ import annotations

from functools import cache

from celery_app import app
from celery_app.publisher import Publisher
from celery_app.settings import settings
from celery_app.topology import MATCHING
from db.connect import Database

# Time without a statement after which Postgres ends a stage's transaction [s]: a worker that is paused while it holds
# locks of accounts would hold up all orders of their clients. No batch takes nearly as long between two statements.
# Matching locks no accounts, and replays its log in a transaction.
IDLE_S = 60.0


@cache
def clearing_data(stage: str) -> Database:
    """Return the database clearing_data; Postgres shows the stage as the name of the connection."""
    idle_s = None if stage == MATCHING else IDLE_S
    return Database(settings().clearing_data_url.get_secret_value(), application_name=stage, idle_s=idle_s)


@cache
def market_data(stage: str) -> Database:
    """Return the database market_data; Postgres shows the stage as the name of the connection."""
    return Database(settings().market_data_url.get_secret_value(), application_name=stage)


@cache
def publisher() -> Publisher:
    """Return the publisher of this process."""
    return Publisher(app)
