"""The stage data_feed: stores the reports of the other stages, and pushes the new ones."""

from __future__ import annotations

import time
from functools import cache

import psycopg2
import structlog
from sqlalchemy.exc import DBAPIError

from celery_app import app, fail_points
from celery_app.clock import now_us
from celery_app.settings import settings
from celery_app.stage import Stage
from celery_app.topology import DATA_FEED
from db import coverage
from db.market_data import book_store, partitions
from tasks.data_feed.push import Pusher
from tasks.data_feed.record import record
from tasks.data_feed.rules.halves import halves_of
from tasks.messages import FeedBatch
from tasks.services import market_data

log = structlog.get_logger()

# The age at which removed levels are forgotten [s]; a message that is later than this is ignored.
FORGET_AFTER_S = 60.0


# The time between two checks for partitions to create, and after one that could not be created [s].
PARTITIONS_EVERY_S = 3_600.0
PARTITIONS_AGAIN_S = 5.0


class DataFeed(Stage):
    """The task of the stage. Between batches it deletes removed levels, reports lost pushes, and creates partitions."""

    abstract = True
    #: Whether a batch failed that may nevertheless be stored: the retry then pushes nothing, so subscribers miss it.
    in_doubt = False
    #: Whether a batch has covered events since the last merge.
    covered = False
    _forget_at = 0.0
    _partitions_at = 0.0
    _sequences_then: dict[str, int] = {}  # noqa: RUF012 - replaced, never changed

    def tick(self) -> None:
        """Do the work between batches."""
        _pusher().mend()
        if self.covered:
            with market_data(DATA_FEED).transaction() as tx:
                coverage.merge(tx)
            self.covered = False
        if time.monotonic() >= self._forget_at:
            with market_data(DATA_FEED).transaction() as tx:
                book_store.forget_levels(tx, self._sequences_then)
                self._sequences_then = book_store.sequences(tx)
            self._forget_at = time.monotonic() + FORGET_AFTER_S
        if time.monotonic() >= self._partitions_at:
            missing = partitions.create_ahead(market_data(DATA_FEED), now_us=now_us())
            if missing:
                log.info("partitions_not_made", missing=missing)
            self._partitions_at = time.monotonic() + (PARTITIONS_AGAIN_S if missing else PARTITIONS_EVERY_S)

    def halves(self, batch: FeedBatch) -> tuple[FeedBatch, FeedBatch] | None:
        """Divide a batch: reports are numbered when they are stored, so two batches may contain them."""
        return halves_of(batch)


@app.task(name=DATA_FEED, base=DataFeed, bind=True)
def data_feed(self: DataFeed, batches: list[FeedBatch]) -> None:
    """Store the reports of all delivered messages, then push the new ones.

    Rows that were stored before are neither numbered nor pushed again. So when a worker dies between its commit and its
    push, no worker pushes that batch; the next worker makes the subscribers resynchronise.
    """
    try:
        news = record(
            market_data(DATA_FEED),
            batches,
            taken_us=now_us(),
            volatility_auction_us=round(settings().volatility_auction_s * 1_000_000),
        )
    except (DBAPIError, psycopg2.Error):
        self.in_doubt = True
        raise
    self.covered = self.covered or any(batch.covers for batch in batches)
    if self.in_doubt:
        _pusher().miss()
        self.in_doubt = False
    fail_points.reach("data_feed.committed")
    if news.phases:
        fail_points.reach("data_feed.phase_stored")
    _pusher().push_news(news)


@cache
def _pusher() -> Pusher:
    return Pusher(settings().redis_url.get_secret_value())
