"""Requests without a valid key: limited by address, answered 429 beyond the limit, and harmless to traders."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import gevent
import pytest
import requests
from sqlalchemy import text

from api.request import auth, strangers
from api.request.addresses import Proxies
from api.request.buckets import TokenBuckets
from api.request.fairness import Turns
from api.request.strangers import AHEAD_S, PACE_PER_S
from api.wire.problems import Problem
from db.clearing_data.clients.keys import make_key
from db.connect import Database
from tests.api.conftest import Keys, limit
from tests.support.streams import wait_until
from tests.support.web import Api, problem, running_api

FEW = {
    "MAX_ANONYMOUS_PER_S": "5",
    "MAX_REFUSED_KEYS_PER_S": "5",
    "MAX_CONNECTIONS_PER_ADDRESS": "10",
    "TRUSTED_PROXIES": "127.0.0.9, 127.1.0.0/16",
}
BURST = 25  # five seconds' worth
PROXY = "127.0.0.9"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Api]:
    with running_api(FEW) as api:
        yield api


@pytest.fixture
def few(guarded: Api, api: Api) -> Api:
    """Return an api with low limits, on a new exchange."""
    return guarded


def _ask(api: Api, path: str, *, source: str, **headers: str) -> requests.Response:
    """Send one request from an address of 127.0.0.0/8."""
    with requests.Session() as client:
        client.mount("http://", _From(source))
        # The test keeps the answers, and with them connections that are not closed.
        return client.get(f"{api.url}{path}", headers=headers | {"Connection": "close"}, timeout=20)


class _From(requests.adapters.HTTPAdapter):
    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *args: object, **more: object) -> None:
        super().init_poolmanager(*args, source_address=(self._source, 0), **more)  # type: ignore[no-untyped-call]


def _flood(api: Api, path: str, *, source: str, **headers: str) -> list[requests.Response]:
    """Send requests until the first ones are refused."""
    with ThreadPoolExecutor(5) as crowd:
        return list(crowd.map(lambda _: _ask(api, path, source=source, **headers), range(BURST + 20)))


def _assert_refused(answers: list[requests.Response]) -> None:
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    for answer in refused:
        assert problem(answer)["code"] == "rate_limited"
        assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/health/ready", "127.0.1.1"),
        ("/leaderboard/history?seconds=86400", "127.0.1.2"),
        ("/docs", "127.0.1.3"),
        ("/nothing", "127.0.1.5"),
    ],
)
def test_45_anonymous_requests_of_an_address(few: Api, keys: Keys, path: str, source: str) -> None:
    answers = _flood(few, path, source=source)
    _assert_refused(answers)
    assert sum(answer.status_code != 429 for answer in answers) >= 10
    # Meanwhile the same address trades.
    with requests.Session() as client:
        client.mount("http://", _From(source))
        head = {"Authorization": f"Bearer {keys.single}"}
        traded = client.post(f"{few.url}/orders", json=limit(), headers=head, timeout=20)
        assert traded.status_code == 202, traded.text


def test_45_requests_of_sessions_of_an_address(few: Api) -> None:
    with ThreadPoolExecutor(10) as crowd:
        path = "/socket.io/?EIO=4&transport=polling&sid=1.none"
        answers = list(crowd.map(lambda _: _ask(few, path, source="127.0.1.4"), range(5 * BURST + 60)))
    _assert_refused(answers)
    assert sum(answer.status_code != 429 for answer in answers) >= 5 * BURST


def test_45_new_streams_of_an_address_wait_for_each_other(few: Api) -> None:
    began_s = time.monotonic()
    with ThreadPoolExecutor(8) as crowd:
        path = "/socket.io/?EIO=4&transport=polling"
        answers = list(crowd.map(lambda _: _ask(few, path, source="127.0.1.6"), range(15)))
    assert [answer.status_code for answer in answers] == [answers[0].status_code] * 15
    assert answers[0].status_code != 429
    assert time.monotonic() - began_s > (15 - 2) / 5  # one or two begin at once, then five in a second


def test_45_a_burst_within_the_limits_begins_at_a_steady_pace(api: Api) -> None:
    began_s = time.monotonic()
    with ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(lambda n: _ask(api, "/securities", source=f"127.0.7.{n + 1}"), range(150)))
    assert {answer.status_code for answer in answers} == {200}
    assert time.monotonic() - began_s > 150 / PACE_PER_S - AHEAD_S


def test_45_refused_keys_of_an_address(few: Api, keys: Keys) -> None:
    answers = _flood(few, "/orders", source="127.0.2.1", Authorization="Bearer sx_wrong")
    _assert_refused(answers)
    assert {answer.status_code for answer in answers} == {401, 429}
    assert _ask(few, "/orders", source="127.0.2.2", Authorization="Bearer sx_wrong").status_code == 401
    assert _ask(few, "/orders", source="127.0.2.2", Authorization=f"Bearer {keys.single}").status_code == 200


def test_45_all_addresses_together(few: Api) -> None:
    with ThreadPoolExecutor(10) as crowd:
        answers = list(crowd.map(lambda n: _ask(few, "/securities", source=f"127.0.3.{n + 1}"), range(4 * BURST)))
    _assert_refused(answers)


def test_45_connections_of_an_address(few: Api, keys: Keys) -> None:
    with ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", few.port), source_address=("127.0.4.1", 0)))
            for _ in range(10)
        ]
        wait_until(lambda: _ask(few, "/health/live", source="127.0.4.1").status_code == 429)
        refused = _ask(few, "/orders", source="127.0.4.1", Authorization=f"Bearer {keys.single}")
        assert (refused.status_code, refused.headers["Connection"]) == (429, "close")
        assert _ask(few, "/orders", source="127.0.4.2", Authorization=f"Bearer {keys.single}").status_code == 200
        for one in idle:
            one.close()
        wait_until(
            lambda: _ask(few, "/orders", source="127.0.4.1", Authorization=f"Bearer {keys.single}").status_code == 200
        )


def test_45_only_trusted_proxies_name_the_clients_address(few: Api) -> None:
    flooded = {"X-Forwarded-For": "127.0.5.1, 203.0.113.7, 127.1.2.3"}
    _assert_refused(_flood(few, "/securities", source=PROXY, **flooded))
    wait_until(lambda: _ask(few, "/securities", source=PROXY, **{"X-Forwarded-For": "203.0.113.8"}).status_code == 200)
    # The api counts a client that is no trusted proxy under its own address, whatever its headers say.
    direct = [
        _ask(few, "/securities", source="127.0.5.9", **{"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(BURST + 10)
    ]
    _assert_refused(direct)


def test_a_new_key_is_let_in_at_once(few: Api, keys: Keys, clearing_data: Database) -> None:
    for _ in range(2 * BURST):
        with clearing_data.transaction() as tx:
            key = make_key(tx, "SINGLE", role="client", now_us=1)
        assert _ask(few, "/orders", source="127.0.6.1", Authorization=f"Bearer {key}").status_code == 200


def test_a_valid_key_that_only_reads_public_data_is_no_refused_key(few: Api, keys: Keys) -> None:
    for _ in range(2 * BURST):
        assert _ask(few, "/securities", source="127.0.6.2", Authorization=f"Bearer {keys.flood}").status_code == 200


def test_a_read_that_takes_too_long_is_ended_by_postgres(clearing_data: Database, api: Api, keys: Keys) -> None:
    """Postgres itself says which statements still run: pg_stat_activity."""
    with clearing_data.transaction() as tx:
        tx.execute(text("LOCK TABLE client_order_ids IN ACCESS EXCLUSIVE MODE"))
        answer = api.ask("GET", "/orders/by-client-id/x", key=keys.single)
        assert answer.status_code == 503
        with clearing_data.transaction() as other:
            running = text(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'api%' AND state = 'active' "
                "AND query LIKE '%client_order_ids%'"
            )
            wait_until(lambda: other.execute(running).scalar_one() == 0)


def test_readiness_opens_no_connection_to_rabbitmq_each_time(api: Api) -> None:
    """The api uses one connection for all look-ups."""
    path = "/health/ready"
    assert api.ask("GET", path).status_code == 503
    with ThreadPoolExecutor(10) as crowd:
        list(crowd.map(lambda _: api.ask("GET", path), range(20)))  # the pools of the other services fill up
        before = api.process.connections()
        for _ in range(3):
            list(crowd.map(lambda _: api.ask("GET", path), range(20)))
            assert api.process.connections() <= before + 2  # with one per look-up it would be 20 more


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "[2001:db8:1:2::5]:443", "2001:db8:1:2::/64"),
        ("198.51.100.1", "203.0.113.7", "198.51.100.1"),
        ("::ffff:198.51.100.1", "203.0.113.7", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "203.0.113.7", "2001:db8:1:2::/64"),
        ("::1", "203.0.113.7", "203.0.113.7"),
    ],
)
def test_the_address_of_a_client(peer: str, forwarded: str | None, client: str) -> None:
    assert Proxies(["10.0.0.0/8", "::1"]).client(peer, forwarded) == client


def test_without_trusted_proxies_forwarded_headers_are_ignored() -> None:
    assert Proxies([]).client("10.0.0.1", "203.0.113.7") == "10.0.0.1"


def test_a_reserved_token_may_come_later_but_not_much_later() -> None:
    pace = TokenBuckets(per_s=1 / 60, burst_s=120, debt_s=180)  # a token a minute: the test takes far less
    waits = [pace.reserve("flood") for _ in range(6)]
    assert [None if wait_s is None else round(wait_s / 60) for wait_s in waits] == [0, 0, 1, 2, 3, None]
    assert pace.reserve("another") == 0


@pytest.fixture
def guard(clearing_data: Database) -> strangers.Strangers:
    """Return the limits without an api."""
    return strangers.Strangers(
        auth.Keys(clearing_data, remember_s=1.0), Proxies([]), anonymous_per_s=9, refused_keys_per_s=9
    )


def test_a_request_whose_turn_does_not_come_may_try_again(
    guard: strangers.Strangers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "TURN_S", 0.01)
    monkeypatch.setattr(strangers, "LOOK_UP_S", 0.01)
    monkeypatch.setattr(guard, "_turns", Turns(0))
    monkeypatch.setattr(guard, "_look_ups", Turns(0))
    with pytest.raises(Problem) as without_key, guard.turn({"REMOTE_ADDR": "127.0.0.1"}):
        pytest.fail("there was no turn left")
    with pytest.raises(Problem) as with_key:
        guard.look_up({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_API_KEY": "sx_1"})
    for refused, status in [(without_key, 429), (with_key, 503)]:
        assert refused.value.status == status
        assert "Retry-After" in refused.value.headers()


def test_keys_are_looked_up_at_a_steady_pace(guard: strangers.Strangers) -> None:
    requests_at_once = 120
    began_s = time.monotonic()
    waiting = [
        gevent.spawn(guard.require_leave, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_API_KEY": f"sx_{n}"}, stream=False)
        for n in range(requests_at_once)
    ]
    gevent.joinall(waiting, raise_error=True)
    paced = requests_at_once / strangers.PACE_OF_KEYS_PER_S - strangers.AHEAD_OF_KEYS_S
    assert time.monotonic() - began_s > paced - 0.01


def test_a_turn_rests_after_a_costly_request(guard: strangers.Strangers) -> None:
    environ = {"REMOTE_ADDR": "127.0.0.1"}
    with ExitStack() as others:
        for _ in range(strangers.AT_ONCE - 1):
            others.enter_context(guard.turn(environ))
        with guard.turn(environ):
            gevent.sleep(0.1)
        ended_s = time.monotonic()
        with guard.turn(environ):
            assert time.monotonic() - ended_s > strangers.LONGEST_REST_S * 0.9
