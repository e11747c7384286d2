"""Redis and Postgres fail and return under the streams; subscribers end with the stored state."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from db.connect import Database
from tests.api.streams.conftest import Feed, Keys, books, prices, settle, trades
from tests.api.streams.test_channels import numbers, subscribe, wait_for_sequence
from tests.support.feed import book_update, trade
from tests.support.redis_server import RedisServer
from tests.support.streams import Streams, read, read_all, wait_until


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def feed(market_data: Database, redis: RedisServer) -> Feed:
    return Feed(market_data, redis.url)


@pytest.fixture
def streams(market_data: Database, api_keys: Keys, redis: RedisServer) -> Iterator[Streams]:
    with Streams(environment={"REDIS_URL": redis.url}) as running:
        yield running


def test_redis_goes_and_comes_back(streams: Streams, feed: Feed, redis: RedisServer, api_keys: Keys) -> None:
    raw, reports = streams.raw("/stream/price"), streams.raw(f"/stream/report?api_key={api_keys.flood}")
    client = streams.socketio({"api_key": api_keys.flood})
    for channel in ("price", "book", "trades", "report"):
        subscribe(client, channel)
    feed.publish(prices(1, 9_983, 10_049))
    assert read(raw)["sequence"] == 1

    redis.stop()
    wait_until(lambda: "redis_away" in streams.log)
    beats = len(client.of("heartbeat"))
    feed.publish(
        books(book_update(2, bids=[(9_984, 5, 1)], bid_cents=9_984, ask_cents=10_049)),
        trades(trade(1, buyer="FLOOD", seller="GAUSS")),
    )
    # Without Redis they are read from Postgres once a second.
    wait_for_sequence(client, "price", 2)
    wait_for_sequence(client, "book", 2)
    wait_for_sequence(client, "trades", 1)
    wait_for_sequence(client, "report", 1)
    client.wait_for("heartbeat", beats + 2)

    redis.start()
    wait_until(lambda: "redis_back" in streams.log)
    repeated = len(client.of("price"))
    feed.mend()
    feed.publish(prices(3, 9_985, 10_049), trades(trade(2, buyer="FLOOD", seller="GAUSS")))
    wait_for_sequence(client, "price", 3)
    wait_for_sequence(client, "report", 2)
    assert client.connected
    assert len(client.of("price")) > repeated
    assert numbers(client.of("report")) == [("snapshot", 0, 0), ("update", 0, 1), ("update", 1, 2)]
    assert [message["sequence"] for message in read_all(reports)] == [1, 2]
    heard = [message["sequence"] for message in read_all(raw)]
    assert sorted(set(heard)) == [2, 3]
    assert heard == sorted(heard)
    assert streams.log.count("redis_away") == 1


def test_updates_that_the_feed_could_not_push_are_sent_once_redis_is_back(
    streams: Streams, feed: Feed, redis: RedisServer
) -> None:
    """Only the feed cannot reach Redis; the streams do not notice, but the feed reports that updates are missing."""
    settle(streams, feed)
    client = streams.socketio()
    subscribe(client, "price")
    feed.publish(prices(1, 9_983, 10_049))
    wait_for_sequence(client, "price", 1)
    feed.store(prices(2, 9_984, 10_049))
    assert client.of("price")[-1]["sequence"] == 1
    Feed(feed._market_data, redis.url).mend()
    assert wait_for_sequence(client, "price", 2)[-1]["type"] == "snapshot"


def test_a_hung_redis_and_the_heartbeat_goes_on(streams: Streams, feed: Feed, redis: RedisServer) -> None:
    client = streams.socketio()
    subscribe(client, "price")
    redis.pause()
    feed.publish(prices(1, 9_983, 10_049))
    client.wait_for("heartbeat", len(client.of("heartbeat")) + 2)
    feed.store(prices(2, 9_984, 10_049))
    wait_for_sequence(client, "price", 2)  # read from Postgres
    redis.resume()
    time.sleep(0.6)  # the feed leaves a Redis that failed alone for half a second
    feed.mend()
    feed.publish(prices(3, 9_985, 10_049))
    wait_for_sequence(client, "price", 3)


def test_starts_without_redis(market_data: Database, api_keys: Keys) -> None:
    with Streams(environment={"REDIS_URL": "redis://127.0.0.1:1/0"}) as streams:
        feed = Feed(market_data, "redis://127.0.0.1:1/0")
        client = streams.socketio()
        assert subscribe(client, "price") == {"status": "success"}
        feed.publish(prices(1, 9_983, 10_049))
        wait_for_sequence(client, "price", 1)


def test_without_postgres_keys_are_refused_and_public_channels_go_on(redis: RedisServer) -> None:
    nowhere = "postgresql://exchange@127.0.0.1:1/nothing"
    environment = {"REDIS_URL": redis.url, "CLEARING_DATA_URL": nowhere, "MARKET_DATA_URL": nowhere}
    with Streams(environment={**os.environ, **environment}) as streams:
        client = streams.socketio()
        client.wait_for("heartbeat", 2)
        assert client.ask("subscribe", {"channel": "price"})["status"] == 503
        with pytest.raises(Exception, match="503"):
            streams.raw("/stream/report?api_key=anything")
        stream = streams.raw("/stream/price")
        assert read_all(stream) == []
        assert streams.runs
