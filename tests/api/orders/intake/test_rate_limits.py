"""How many orders a client may send: counted over all api processes, with and without Redis."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from kombu import Connection
from sqlalchemy import text

from celery_app.topology import ORDER_ENTRY
from db.clearing_data.clients.keys import make_key
from db.connect import Database
from tests.api.conftest import Keys, limit, queued
from tests.support.broker import depth
from tests.support.redis_server import RedisServer
from tests.support.streams import wait_until
from tests.support.web import Api, problem, running_api

RATE = 100
# Tokens that a process takes in advance and may not use: a twentieth of a second's worth.
CHUNK = 5


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """Start a Redis that tests may stop and hang."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def slow_apis(redis: RedisServer) -> Iterator[tuple[Api, Api]]:
    """Start two processes that share a low limit."""
    few = {"REDIS_URL": redis.url, "MAX_ORDERS_PER_S": str(RATE), "MAX_REQUEST_ORDERS": "20"}
    with running_api(few) as one, running_api(few) as other:
        yield one, other


@pytest.fixture
def apis(
    slow_apis: tuple[Api, Api], redis: RedisServer, clearing_data: Database, queues: Connection
) -> tuple[Api, Api]:
    """Return the two processes, on a new exchange and with full buckets."""
    redis.client.flushall()
    return slow_apis


@pytest.fixture
def buckets(apis: tuple[Api, Api]) -> Callable[[], int]:
    """Return how many buckets the test could use: one, or one for each process if Redis did not answer in time."""

    def times_alone() -> int:
        return sum(api.process.log.count("rate_limits_alone") for api in apis)

    before = times_alone()
    return lambda: 1 if times_alone() == before else len(apis)


def _post(api: Api, key: str, orders: int = 1) -> requests.Response:
    return api.ask("POST", "/orders", key=key, json=[limit()] * orders if orders > 1 else limit())


def test_28_ten_times_the_rate(
    apis: tuple[Api, Api], keys: Keys, queues: Connection, buckets: Callable[[], int]
) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(8) as crowd:
        others = [crowd.submit(_post, apis[n % 2], keys.flood) for n in range(20)]
        greedy = list(crowd.map(lambda n: _post(apis[n % 2], keys.single, 20), range(RATE // 2)))
    took_s = time.monotonic() - started
    assert {answer.result().status_code for answer in others} == {202}
    statuses = Counter(answer.status_code for answer in greedy)
    assert statuses.keys() == {202, 429}
    assert RATE <= 20 * statuses[202] <= buckets() * (RATE + RATE * took_s) + 2 * CHUNK
    refused = next(answer for answer in greedy if answer.status_code == 429)
    assert problem(refused)["code"] == "rate_limited"
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["X-RateLimit-Limit"] == str(RATE)
    assert sum(map(len, queued(queues, depth(queues, ORDER_ENTRY)))) == 20 * statuses[202] + 20
    time.sleep(int(refused.headers["Retry-After"]))
    assert _post(apis[0], keys.single, 20).status_code == 202


def test_headers_give_the_remaining_allowance(apis: tuple[Api, Api], keys: Keys) -> None:
    sent = 0
    for orders in (1, 20, 1):
        answer = _post(apis[0], keys.single, orders)
        sent += orders
        assert answer.headers["X-RateLimit-Limit"] == str(RATE)
        assert int(answer.headers["X-RateLimit-Reset"]) <= 1
        assert RATE - sent <= int(answer.headers["X-RateLimit-Remaining"]) <= RATE + CHUNK - orders
    for path in ("/orders/MSFT/1", "/orders"):
        assert "X-RateLimit-Remaining" in apis[0].ask("DELETE", path, key=keys.single).headers


def test_refused_requests_count_nothing(apis: tuple[Api, Api], keys: Keys) -> None:
    before = int(_post(apis[0], keys.single).headers["X-RateLimit-Remaining"])
    for _ in range(RATE):
        refused = apis[0].ask("POST", "/orders", key=keys.single, json=limit(quantity=0))
        assert refused.status_code == 422
    assert int(_post(apis[0], keys.single).headers["X-RateLimit-Remaining"]) >= before - 1


@pytest.mark.parametrize("status", [409, 422])
def test_43_refused_requests_use_up_no_tokens(
    apis: tuple[Api, Api], keys: Keys, queues: Connection, status: int
) -> None:
    assert apis[0].ask("POST", "/orders", key=keys.single, json=limit(client_order_id="mine")).status_code == 202
    sent = limit(client_order_id="mine", quantity=11) if status == 409 else limit(quantity=0)
    before = int(_post(apis[0], keys.single).headers["X-RateLimit-Remaining"])
    with ThreadPoolExecutor(10) as crowd:
        refused = list(
            crowd.map(lambda _: apis[0].ask("POST", "/orders", key=keys.single, json=sent).status_code, range(1_000))
        )
    assert Counter(refused) == {status: 1_000}
    # An array of such requests uses up none either, except for its valid element.
    answer = apis[0].ask("POST", "/orders", key=keys.single, json=[sent] * 19 + [limit()])
    assert [one.get("status") for one in answer.json()["results"]] == [status] * 19 + ["success"]
    assert int(answer.headers["X-RateLimit-Remaining"]) >= before - 1


@pytest.mark.usefixtures("queues")
def test_43_refusals_have_a_limit_of_their_own(keys: Keys) -> None:
    with running_api({"MAX_REFUSED_PER_S": "20"}) as api:
        # An array counts by its refused elements: these take five seconds' worth.
        assert api.ask("POST", "/orders", key=keys.single, json=[limit(quantity=0)] * 100).status_code == 202
        for method, path in [("POST", "/orders"), ("GET", "/orders"), ("DELETE", "/orders")]:
            blocked = api.ask(method, path, key=keys.single)
            assert (blocked.status_code, problem(blocked)["code"]) == (429, "rate_limited")
            assert int(blocked.headers["Retry-After"]) >= 1
        assert _post(api, keys.flood).status_code == 202
        wait_until(lambda: _post(api, keys.single).status_code == 202)
        wait_until(lambda: api.ask("GET", "/nothing", key=keys.single).status_code == 404)
        refused = 0
        while api.ask("POST", "/orders", key=keys.single, json=limit(quantity=0)).status_code == 422:
            refused += 1
            assert refused < 1_000, "single requests are not counted"


def test_44_the_limit_is_the_clients_over_all_its_keys(
    apis: tuple[Api, Api],
    keys: Keys,
    queues: Connection,
    clearing_data: Database,
    buckets: Callable[[], int],
) -> None:
    with clearing_data.transaction() as tx:
        # Of a client whose bucket no other test has touched.
        many = [make_key(tx, "GAUSS", role="client", now_us=1) for _ in range(100)]
    started = time.monotonic()
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda n: _post(apis[n % 2], many[n], 10), range(len(many))))
        other = _post(apis[0], keys.flood)
    took_s = time.monotonic() - started
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() == {202, 429}
    assert 10 * statuses[202] <= buckets() * (RATE + RATE * took_s) + 2 * CHUNK
    assert other.status_code == 202


def test_44_keys_made_and_revoked_in_a_loop_are_bounded(
    clearing_data: Database, keys: Keys, queues: Connection
) -> None:
    most = 12
    now_us = time.time_ns() // 1_000
    with clearing_data.transaction() as tx:
        for _ in range(50):
            make_key(tx, "SINGLE", role="client", now_us=now_us - 7_200_000_000)
        tx.execute(text("UPDATE api_keys SET revoked_us = 2 WHERE client_id = 'SINGLE' AND created_us > 1"))
    with running_api({"MAX_NEW_KEYS_PER_HOUR": str(most)}) as api:
        for turn in range(most):
            made = api.ask("POST", "/accounts/SINGLE/keys", key=keys.single, json={})
            assert made.status_code == 201, turn
            assert api.ask("GET", "/orders", key=made.json()["api_key"]).status_code == 200
            path = f"/accounts/SINGLE/keys/{made.json()['key_id']}"
            assert api.ask("DELETE", path, key=keys.single).status_code == 200
        with ThreadPoolExecutor(4) as crowd:
            refused = list(
                crowd.map(lambda _: api.ask("POST", "/accounts/SINGLE/keys", key=keys.single, json={}), range(8))
            )
        assert {(one.status_code, problem(one)["code"]) for one in refused} == {(429, "too_many_new_keys")}
        assert 3_500 < int(refused[0].headers["Retry-After"]) <= 3_600
        assert api.ask("POST", "/accounts/FLOOD/keys", key=keys.flood, json={}).status_code == 201
        listed = api.ask("GET", "/accounts/SINGLE/keys?limit=1000", key=keys.single).json()["data"]
    assert len(listed) <= 1 + most + 1  # the key in use, the revoked ones that are kept, and the one revoked last


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


def test_a_limit_of_its_own_counts_all_keys_and_all_processes(
    apis: tuple[Api, Api], keys: Keys, clearing_data: Database, buckets: Callable[[], int]
) -> None:
    with clearing_data.transaction() as tx:
        others = make_key(tx, "SINGLE", role="client", now_us=1)
    assert _post(apis[0], keys.single, 20).status_code == 202  # at the exchange's rate
    limits = {"limits": {"orders_per_s": 4}}
    assert apis[0].ask("PATCH", "/accounts/SINGLE", key=keys.admin, json=limits).status_code == 200
    for api in apis:  # each process trusts what it knows of a key for a second
        wait_until(lambda api=api: _post(api, keys.single).headers["X-RateLimit-Limit"] == "4")  # type: ignore[misc]
    started = time.monotonic()
    sent = [_post(apis[n % 2], key) for n in range(30) for key in (keys.single, others)]
    took_s = time.monotonic() - started
    passed = sum(answer.status_code == 202 for answer in sent)
    assert 429 in {answer.status_code for answer in sent}
    # A second's worth, and one that each process has taken in advance.
    assert passed <= buckets() * (4 + 4 * took_s) + 2
    too_many = _post(apis[0], keys.single, 5)
    assert (too_many.status_code, problem(too_many)["code"]) == (429, "rate_limited")
    assert _post(apis[0], keys.flood, 20).status_code == 202
    none = {"limits": {"orders_per_s": None}}
    assert apis[0].ask("PATCH", "/accounts/SINGLE", key=keys.admin, json=none).status_code == 200
    wait_until(lambda: _post(apis[1], keys.single, 20).status_code == 202)
