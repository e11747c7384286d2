"""Streams on the services of the run, keys for them, and a feed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from celery_app.settings import settings
from db.clearing_data.clients import keys
from db.connect import Database
from tasks.data_feed.outgoing import News
from tasks.data_feed.push import Pusher
from tasks.data_feed.record import record
from tasks.messages import BookUpdate, FeedBatch, TradeMade
from tests.support.clearing_rows import revoke_keys
from tests.support.feed import NOW_US, book_update
from tests.support.streams import Streams, wait_until

RESYNCHRONISED = "resynchronised"


@dataclass(frozen=True)
class Keys:
    """Keys of the accounts in the tests."""

    admin: str
    flood: str
    gauss: str
    revoked: str


@pytest.fixture
def api_keys(clearing_data: Database) -> Keys:
    with clearing_data.transaction() as tx:
        revoked = keys.make_key(tx, "FLOOD", role="client", now_us=1)
        revoke_keys(tx, "FLOOD", now_us=2)
        return Keys(
            admin=keys.make_key(tx, keys.ADMIN, role="admin", now_us=1),
            flood=keys.make_key(tx, "FLOOD", role="client", now_us=3),
            gauss=keys.make_key(tx, "GAUSS", role="client", now_us=1),
            revoked=revoked,
        )


class Feed:
    """The data feed, in the process of the test."""

    def __init__(self, market_data: Database, redis_url: str) -> None:
        self._market_data = market_data
        self.redis_url = redis_url
        self._pusher = Pusher(redis_url)

    def store(self, *batches: FeedBatch) -> News:
        """Store a batch without pushing its news: it is lost on the way to Redis, or pushed later."""
        return record(self._market_data, batches, taken_us=time.time_ns() // 1_000)

    def push(self, news: News) -> None:
        """Push the news of a batch."""
        self._pusher.push_news(news)

    def miss(self) -> None:
        """Push that a message is missing."""
        self._pusher.miss()
        self._pusher.mend()

    def publish(self, *batches: FeedBatch) -> None:
        """Store a batch, and push its news."""
        self.push(self.store(*batches))

    def mend(self) -> None:
        """Do what the stage does once a second."""
        self._pusher.mend()


@pytest.fixture
def feed(market_data: Database) -> Feed:
    return Feed(market_data, settings().redis_url.get_secret_value())


@pytest.fixture
def streams(market_data: Database, api_keys: Keys) -> Iterator[Streams]:
    with Streams() as running:
        wait_until(lambda: RESYNCHRONISED in running.log)  # they receive what is pushed from now on
        yield running


def settle(streams: Streams, feed: Feed) -> None:
    """Wait until a feed that has just started has asked the streams to resynchronise, and they have.

    From then on what is new comes as updates, in place of a snapshot that may come at any time.
    """
    wait_until(lambda: RESYNCHRONISED in streams.log)
    before = streams.log.count(RESYNCHRONISED)
    feed.mend()
    wait_until(lambda: streams.log.count(RESYNCHRONISED) > before)


@pytest.fixture(scope="module")
def idle_streams() -> Iterator[Streams]:
    """Return streams for tests without a feed."""
    with Streams() as running:
        yield running


def prices(sequence: int, bid_cents: int | None, ask_cents: int | None, **changed: object) -> FeedBatch:
    """Return a batch of the engine in which only the best prices change."""
    return books(book_update(sequence, bid_cents=bid_cents, ask_cents=ask_cents, **changed))


def books(*updates: BookUpdate) -> FeedBatch:
    return FeedBatch("matching", NOW_US, books=list(updates))


def trades(*made: TradeMade) -> FeedBatch:
    return FeedBatch("matching", NOW_US, trades=list(made))
