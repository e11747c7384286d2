"""The stage in real worker processes behind a real RabbitMQ."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import msgspec
from kombu import Connection
from redis import Redis
from sqlalchemy import text

from bench.chaos.proxy import Proxy, through
from celery_app.publisher import Publisher
from celery_app.settings import settings
from celery_app.topology import DATA_FEED, DEAD_LETTER
from db import coverage
from db.connect import Database
from tasks.data_feed.outgoing import Push, channel_of
from tasks.data_feed.readers import Readers
from tasks.data_feed.record import record
from tasks.messages import FeedBatch, event_id
from tests.support.broker import depth
from tests.support.feed import NOW_US, assert_numbered, empty, flow_of, lasting, trade
from tests.support.worker import Worker
from tests.tasks.data_feed.rules.test_reports import entry_report

_read_push = msgspec.json.Decoder(Push).decode


def send(publisher: Publisher, *batches: FeedBatch) -> None:
    for batch in batches:
        publisher.send(DATA_FEED, batch, size=1)


def count(market_data: Database, table: str) -> int:
    with market_data.snapshot() as tx:
        return int(tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def wait_until(done: Callable[[], bool], *, timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def expected_of(market_data: Database, batches: Sequence[FeedBatch]) -> dict[str, Sequence[object]]:
    """Return the rows that batches have to store; empty the database afterwards."""
    for batch in batches:
        record(market_data, [batch], taken_us=1)
    with market_data.transaction() as tx:
        rows = lasting(tx)
        empty(tx)
    return rows


def test_stores_all_and_pushes_the_reports_that_have_readers(
    market_data: Database, broker: Connection, publisher: Publisher
) -> None:
    redis = Redis.from_url(settings().redis_url.get_secret_value())
    channel = redis.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(channel_of(redis))
    channel.get_message(timeout=60.0)
    Readers(redis).announce(["BOB"], now_s=time.time() + 600)
    with Worker(DATA_FEED):
        send(publisher, FeedBatch("matching", NOW_US, trades=[trade(1)]))
        wait_until(lambda: count(market_data, "reports") == 2)
        pushes = [_read_push(message["data"]) for _ in range(2) if (message := channel.get_message(timeout=60.0))]
    assert pushes[0].resynchronise
    assert [entry.about for entry in pushes[1].trades] == ["MSFT"]
    assert {entry.about for entry in pushes[1].reports} == {"BOB"}


def test_a_batch_stored_without_an_answer_makes_subscribers_resynchronise(
    market_data: Database, broker: Connection, publisher: Publisher
) -> None:
    """Postgres commits and the connection breaks before its answer: the retry finds nothing new to push."""
    url = settings().market_data_url.get_secret_value()
    redis = Redis.from_url(settings().redis_url.get_secret_value())
    channel = redis.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(channel_of(redis))
    channel.get_message(timeout=60.0)
    with Proxy.before(url) as line, Worker(DATA_FEED, environment={"MARKET_DATA_URL": through(url, line)}):
        send(publisher, FeedBatch("matching", NOW_US, trades=[trade(1)]))
        wait_until(lambda: count(market_data, "reports") == 2)
        line.lose_commits()
        send(publisher, FeedBatch("matching", NOW_US, trades=[trade(2)]))
        wait_until(lambda: count(market_data, "reports") == 4)
        line.keep_commits()
        pushes = [_read_push(message["data"]) for _ in range(3) if (message := channel.get_message(timeout=10.0))]
    assert [push.resynchronise for push in pushes] == [True, False, True]


def test_two_workers_one_of_which_is_killed_repeatedly(
    market_data: Database, broker: Connection, publisher: Publisher
) -> None:
    batches = flow_of(11, units=120).batches
    expected = expected_of(market_data, batches)
    with Worker(DATA_FEED) as steady, Worker(DATA_FEED) as mortal:
        for start in range(0, len(batches), 120):
            send(publisher, *batches[start : start + 120])
            mortal.kill()
            mortal.start()
        wait_until(lambda: count(market_data, "reports") == len(expected["reports"]))
        wait_until(lambda: count(market_data, "trades") == len(expected["trades"]))
        wait_until(lambda: depth(broker, DATA_FEED) == 0)
        assert (steady.stop(), mortal.stop()) == (0, 0)
    with market_data.snapshot() as tx:
        assert_numbered(tx)
        assert lasting(tx) == expected
    assert depth(broker, DEAD_LETTER) == 0


def test_the_feed_continues_without_redis(market_data: Database, broker: Connection, publisher: Publisher) -> None:
    with Worker(DATA_FEED, environment={"REDIS_URL": "redis://127.0.0.1:1/0"}) as worker:
        for number in range(1, 40):
            send(publisher, FeedBatch("matching", NOW_US, trades=[trade(number)]))
        wait_until(lambda: count(market_data, "trades") == 39)
        assert worker.log.count("redis_away") == 1


def test_a_bad_message_becomes_a_dead_letter_and_the_next_one_is_stored(
    market_data: Database, broker: Connection, publisher: Publisher
) -> None:
    forged = FeedBatch("order_entry", NOW_US, orders=[entry_report(security_id="MS\x00FT")])
    good = [FeedBatch("matching", NOW_US, trades=[trade(number)]) for number in range(1, 6)]
    messages = [*good, forged]
    random.Random(5).shuffle(messages)
    send(publisher, *messages)
    with Worker(DATA_FEED):
        wait_until(lambda: depth(broker, DEAD_LETTER) == 1)
        wait_until(lambda: count(market_data, "trades") == 5)
        send(publisher, FeedBatch("matching", NOW_US, trades=[trade(6)]))
        wait_until(lambda: count(market_data, "trades") == 6)


def test_all_events_of_a_message_but_the_bad_one_are_stored(
    market_data: Database, broker: Connection, publisher: Publisher
) -> None:
    trades = [trade(number) for number in range(1, 41)]
    trades[16] = trade(17, buyer="AN\x00N")
    covers = [(event_id(0, 1, 0), event_id(0, 41, 0))]
    send(publisher, FeedBatch("matching", NOW_US, trades=trades, covers=covers))
    with Worker(DATA_FEED) as worker:
        wait_until(lambda: depth(broker, DEAD_LETTER) == 1)
        assert "culprit_found" in worker.log
        assert worker.stop() == 0
    assert count(market_data, "trades") == 39
    with market_data.snapshot() as tx:
        found = coverage.read(tx)["matching", 0]
    lacking = [number for number in range(1, 41) if not any(a <= event_id(0, number, 0) < b for a, b in found)]
    assert lacking == [17]
