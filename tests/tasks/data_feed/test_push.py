"""The push, with a Redis that starts, stops and hangs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest
from redis import Redis
from redis.client import PubSub
from structlog.testing import capture_logs

from tasks.data_feed.outgoing import FeedUpdate, News, Push, channel_of
from tasks.data_feed.push import PAUSE_S, TIMEOUT_S, Pusher
from tasks.data_feed.readers import ASK_EVERY_S, EVERYONE, LASTS_S, Readers
from tasks.data_feed.rules.rows import Report
from tests.support.redis_server import RedisServer

_read = msgspec.json.Decoder(Push).decode


def batch(sequence: int) -> Push:
    return Push(reports=[FeedUpdate("ANN", "update", sequence - 1, sequence, 1, msgspec.Raw(b"[]"))])


def report_of(client_id: str) -> Report:
    return Report(1, 1, "order", True, client_id, "MSFT", "buy", 1, 100, None, 1, 1, sequence=1)


def subscribed(redis: RedisServer) -> PubSub:
    channel = redis.client.pubsub()
    channel.subscribe("data_feed")
    assert channel.get_message(timeout=60.0) is not None
    return channel


def pushes(redis: RedisServer, channel: PubSub) -> list[Push]:
    """Return everything that was pushed before this call."""
    redis.client.publish("data_feed", "end")
    found: list[Push] = []
    while True:
        message = channel.get_message(timeout=60.0)
        assert message is not None, "the end of the messages did not arrive"
        if message["data"] == b"end":
            return found
        found.append(_read(message["data"]))


def received(redis: RedisServer, channel: PubSub) -> list[str]:
    """Return what was pushed: the sequences of batches, or that messages are missing."""
    return ["resynchronise" if push.resynchronise else str(push.reports[0].sequence) for push in pushes(redis, channel)]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_new_worker_starts_as_after_a_gap(redis: RedisServer) -> None:
    channel = subscribed(redis)
    pusher = Pusher(redis.url)
    pusher.push(batch(1))
    pusher.push(batch(2))
    assert received(redis, channel) == ["resynchronise", "1", "2"]


def test_subscribers_resynchronise_once_redis_is_back(redis: RedisServer) -> None:
    clock = Clock()
    pusher = Pusher(redis.url, clock=clock)
    pusher.push(batch(1))
    redis.stop()
    with capture_logs() as logs:
        for number in range(2, 6):
            pusher.push(batch(number))
            clock.now += PAUSE_S / 2
        redis.start()
        channel = subscribed(redis)
        clock.now += PAUSE_S
        pusher.mend()
        pusher.mend()
        pusher.push(batch(6))
    assert [line["event"] for line in logs] == ["redis_away", "redis_back"]
    assert received(redis, channel) == ["resynchronise", "6"]


def test_a_hung_redis_costs_one_short_wait(redis: RedisServer) -> None:
    pusher = Pusher(redis.url)
    pusher.push(batch(1))
    redis.pause()
    started = time.monotonic()
    for number in range(2, 200):
        pusher.push(batch(number))
    waited_s = time.monotonic() - started
    redis.resume()
    assert waited_s < TIMEOUT_S + PAUSE_S


def test_reports_without_readers_are_not_pushed(redis: RedisServer) -> None:
    channel, readers, pusher = subscribed(redis), Readers(redis.client), Pusher(redis.url)
    reports = {client_id: [report_of(client_id)] for client_id in ("ANN", "BOB")}
    pusher.push_news(News(reports))
    readers.announce(["BOB"], now_s=time.time() - LASTS_S - 1)  # and its reader has left since
    pusher.push_news(News(reports))
    for reader in ("ANN", EVERYONE):
        readers.announce([reader], now_s=time.time())
        time.sleep(ASK_EVERY_S)
        pusher.push_news(News(reports))
    pushed = pushes(redis, channel)
    assert [push.resynchronise for push in pushed] == [True, False, False]
    assert [[one.about for one in push.reports] for push in pushed] == [[], ["ANN"], ["ANN", "BOB"]]


def test_news_that_meet_no_redis_are_missing(redis: RedisServer) -> None:
    clock = Clock()
    pusher = Pusher(redis.url, clock=clock)
    pusher.mend()
    redis.stop()
    pusher.push_news(News({"ANN": [report_of("ANN")]}))
    redis.start()
    channel = subscribed(redis)
    clock.now += PAUSE_S
    pusher.mend()
    assert received(redis, channel) == ["resynchronise"]


def test_databases_of_one_redis_are_separate_channels() -> None:
    assert channel_of(Redis.from_url("redis://127.0.0.1/0")) == "data_feed"
    assert channel_of(Redis.from_url("redis://127.0.0.1")) == "data_feed"
    assert channel_of(Redis.from_url("redis://127.0.0.1/7")) == "data_feed.7"


def test_the_feed_asks_for_readers_at_most_so_often(redis: RedisServer) -> None:
    readers, now_s = Readers(redis.client), time.time()
    assert not readers.at(now_s)("ANN")
    readers.announce(["ANN"], now_s=now_s)
    assert not readers.at(now_s + 0.9 * ASK_EVERY_S)("ANN")
    assert readers.at(now_s + 1.1 * ASK_EVERY_S)("ANN")
    assert readers.at(now_s - 60)("ANN")  # the clock was set back
