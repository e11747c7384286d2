"""How many orders a key may send: counted over all api processes, with and without Redis."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from kombu import Connection

from celery_app.topology import ORDER_ENTRY
from db.connect import Database
from tests.api.conftest import Keys, limit, queued
from tests.support.broker import depth
from tests.support.redis_server import RedisServer
from tests.support.streams import wait_until
from tests.support.web import Api, problem, running_api

RATE = 100
# What a process has taken in advance and not used: a twentieth of a second's worth.
CHUNK = 5


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis to stop and to hang."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def slow_apis(redis: RedisServer) -> Iterator[tuple[Api, Api]]:
    """Two processes that share a low limit."""
    few = {"REDIS_URL": redis.url, "MAX_ORDERS_PER_S": str(RATE), "MAX_REQUEST_ORDERS": "20"}
    with running_api(few) as one, running_api(few) as other:
        yield one, other


@pytest.fixture
def apis(
    slow_apis: tuple[Api, Api], redis: RedisServer, clearing_data: Database, queues: Connection
) -> tuple[Api, Api]:
    """The two, on a new exchange and with full buckets."""
    redis.client.flushall()
    return slow_apis


def _post(api: Api, key: str, orders: int = 1) -> requests.Response:
    return api.ask("POST", "/orders", key=key, json=[limit()] * orders if orders > 1 else limit())


def test_28_ten_times_the_rate(apis: tuple[Api, Api], keys: Keys, queues: Connection) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(8) as crowd:
        others = [crowd.submit(_post, apis[n % 2], keys.flood) for n in range(20)]
        greedy = list(crowd.map(lambda n: _post(apis[n % 2], keys.single, 20), range(RATE // 2)))
    took_s = time.monotonic() - started
    assert {answer.result().status_code for answer in others} == {202}
    statuses = Counter(answer.status_code for answer in greedy)
    assert statuses.keys() == {202, 429}
    assert RATE <= 20 * statuses[202] <= RATE + RATE * took_s + 2 * CHUNK
    refused = next(answer for answer in greedy if answer.status_code == 429)
    assert problem(refused)["code"] == "rate_limited"
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["X-RateLimit-Limit"] == str(RATE)
    assert sum(map(len, queued(queues, depth(queues, ORDER_ENTRY)))) == 20 * statuses[202] + 20
    time.sleep(int(refused.headers["Retry-After"]))
    assert _post(apis[0], keys.single, 20).status_code == 202


def test_headers_tell_what_is_left(apis: tuple[Api, Api], keys: Keys) -> None:
    sent = 0
    for orders in (1, 20, 1):
        answer = _post(apis[0], keys.single, orders)
        sent += orders
        assert answer.headers["X-RateLimit-Limit"] == str(RATE)
        assert int(answer.headers["X-RateLimit-Reset"]) <= 1
        assert RATE - sent <= int(answer.headers["X-RateLimit-Remaining"]) <= RATE + CHUNK - orders
    for path in ("/orders/MSFT/1", "/orders"):
        assert "X-RateLimit-Remaining" in apis[0].ask("DELETE", path, key=keys.single).headers


def test_what_is_refused_counts_nothing(apis: tuple[Api, Api], keys: Keys) -> None:
    before = int(_post(apis[0], keys.single).headers["X-RateLimit-Remaining"])
    for _ in range(RATE):
        refused = apis[0].ask("POST", "/orders", key=keys.single, json=limit(quantity=0))
        assert refused.status_code == 422
    assert int(_post(apis[0], keys.single).headers["X-RateLimit-Remaining"]) >= before - 1


@pytest.mark.parametrize("how", ["stopped", "hung"])
def test_without_redis_trading_goes_on_and_each_process_counts(
    apis: tuple[Api, Api], keys: Keys, redis: RedisServer, how: str
) -> None:
    def said(word: str) -> list[int]:
        return [api.process.log.count(word) for api in apis]

    alone, shared = said("rate_limits_alone"), said("rate_limits_shared")
    if how == "stopped":
        redis.stop()
    else:
        redis.pause()
    try:
        answers = [_post(api, keys.single, 20).status_code for api in apis for _ in range(RATE // 10)]
    finally:
        if how == "stopped":
            redis.start()
        else:
            redis.resume()
    for statuses in (answers[: RATE // 10], answers[RATE // 10 :]):
        assert Counter(statuses).keys() == {202, 429}
        assert statuses[: RATE // 20 - 1] == [202] * (RATE // 20 - 1)
    assert said("rate_limits_alone") == [count + 1 for count in alone]
    wait_until(lambda: said("rate_limits_shared") == [count + 1 for count in shared])
    assert _post(apis[0], keys.flood, 20).status_code == 202
