"""The stage data_feed: stores what the other stages tell, and pushes what is new."""

from __future__ import annotations

import time
from functools import cache

import structlog
from sqlalchemy.exc import DBAPIError

from celery_app import app, fail_points
from celery_app.settings import settings
from celery_app.stage import Stage
from celery_app.topology import DATA_FEED
from db import coverage
from db.connect import Database
from db.market_data import book_store, partitions
from tasks.data_feed.push import Pusher
from tasks.data_feed.record import record
from tasks.data_feed.rules.halves import halves_of
from tasks.messages import FeedBatch

log = structlog.get_logger()

# How old a level that went is at least when it is forgotten [s]; a message that is later than this is ignored.
FORGET_AFTER_S = 60.0


# Between two looks for days to make, and after one that could not be made [s].
PARTITIONS_EVERY_S = 3_600.0
PARTITIONS_AGAIN_S = 5.0


class DataFeed(Stage):
    """Between units it forgets the levels that went, mends what Redis missed, and makes the days to come."""

    abstract = True
    #: Whether a unit failed that may be stored all the same: tried again it is no news, and was told to nobody.
    in_doubt = False
    #: Whether a unit has covered something since the last merge.
    covered = False
    _forget_at = 0.0
    _partitions_at = 0.0
    _sequences_then: dict[str, int] = {}  # noqa: RUF012 - replaced, never changed

    def tick(self) -> None:
        """Called about once a second."""
        _pusher().mend()
        if self.covered:
            with _market_data().transaction() as tx:
                coverage.merge(tx)
            self.covered = False
        if time.monotonic() >= self._forget_at:
            with _market_data().transaction() as tx:
                book_store.forget_levels(tx, self._sequences_then)
                self._sequences_then = book_store.sequences(tx)
            self._forget_at = time.monotonic() + FORGET_AFTER_S
        if time.monotonic() >= self._partitions_at:
            missing = partitions.create_ahead(_market_data(), now_us=time.time_ns() // 1_000)
            if missing:
                log.info("partitions_not_made", missing=missing)
            self._partitions_at = time.monotonic() + (PARTITIONS_AGAIN_S if missing else PARTITIONS_EVERY_S)

    def halves(self, batch: FeedBatch) -> tuple[FeedBatch, FeedBatch] | None:
        """Divide a batch: its reports are numbered when they are stored, so those of it may come in two units."""
        return halves_of(batch)


@app.task(name=DATA_FEED, base=DataFeed, bind=True)
def data_feed(self: DataFeed, batches: list[FeedBatch]) -> None:
    """Store what all delivered messages tell, then push what is new of it.

    What was stored before is neither numbered nor pushed again. So when a worker dies between its commit and its
    push, nobody pushes that unit; the worker that comes after it tells the subscribers to resynchronise.
    """
    try:
        push = record(
            _market_data(),
            batches,
            taken_us=time.time_ns() // 1_000,
            volatility_auction_us=round(settings().volatility_auction_s * 1_000_000),
        )
    except DBAPIError:
        self.in_doubt = True
        raise
    self.covered = self.covered or any(batch.covers for batch in batches)
    if self.in_doubt:
        _pusher().miss()
        self.in_doubt = False
    fail_points.reach("data_feed.committed")
    if push.is_news:
        _pusher().push(push)


@cache
def _market_data() -> Database:
    return Database(settings().market_data_url.get_secret_value(), application_name=DATA_FEED)


@cache
def _pusher() -> Pusher:
    return Pusher(settings().redis_url.get_secret_value())
