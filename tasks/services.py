"""The services that the stages share, opened at the first use: one of each for a worker process."""

from __future__ import annotations

from functools import cache

from celery_app import app
from celery_app.publisher import Publisher
from celery_app.settings import settings
from db.connect import Database


@cache
def clearing_data(stage: str) -> Database:
    """Return the database clearing_data; Postgres shows the stage as the name of the connection."""
    return Database(settings().clearing_data_url.get_secret_value(), application_name=stage)


@cache
def market_data(stage: str) -> Database:
    """Return the database market_data; Postgres shows the stage as the name of the connection."""
    return Database(settings().market_data_url.get_secret_value(), application_name=stage)


@cache
def publisher() -> Publisher:
    """Return the publisher of this process."""
    return Publisher(app)
