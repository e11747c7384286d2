"""Strangers at one address delay no client at another, and a trader's first request waits behind no stranger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import gevent
import gevent.socket
import pytest

from api.http import api_server, server
from api.http.api_server import ApiServer
from api.request import auth, strangers, time_limit
from api.request.addresses import Proxies
from api.request.fairness import FairPace, Turns, WaitingLine
from api.request.strangers import AT_ONCE, Strangers
from db.clearing_data.clients.keys import make_key
from db.connect import Database

FLOOD, QUIET = "127.0.0.1", "127.0.0.2"
FLOODS = {
    "key": ({"HTTP_X_API_KEY": "sx_1"}, False),
    "no_key": ({}, False),
    "new_stream": ({"QUERY_STRING": "EIO=4"}, True),
    "new_stream_with_a_key": ({"QUERY_STRING": "EIO=4", "HTTP_X_API_KEY": "sx_1"}, True),
    "session": ({"QUERY_STRING": "EIO=4&sid=1.none"}, True),
}
PART = 8_000_000  # more bytes than two sockets buffer


def _guard(clearing_data: Database, *, anonymous_per_s: int = 150, refused_keys_per_s: int = 9) -> Strangers:
    keys = auth.Keys(clearing_data, remember_s=1.0)
    return Strangers(keys, Proxies([]), anonymous_per_s=anonymous_per_s, refused_keys_per_s=refused_keys_per_s)


def _with_key(key: str, *, address: str = QUIET) -> dict[str, str]:
    return {"REMOTE_ADDR": address, "HTTP_X_API_KEY": key}


def _new_key(clearing_data: Database) -> str:
    with clearing_data.transaction() as tx:
        return make_key(tx, "SINGLE", role="client", now_us=1)


@pytest.fixture
def crowd() -> Iterator[list[gevent.Greenlet]]:
    """Return a list of greenlets that the test ends."""
    greenlets: list[gevent.Greenlet] = []
    yield greenlets
    gevent.killall(greenlets)


@pytest.mark.parametrize("kind", FLOODS)
def test_45_a_flood_of_one_address_delays_no_other(
    clearing_data: Database, crowd: list[gevent.Greenlet], kind: str
) -> None:
    guard, (head, stream) = _guard(clearing_data), FLOODS[kind]
    begun: list[str] = []

    def ask(address: str) -> None:
        guard.require_leave({"REMOTE_ADDR": address, **head}, stream=stream)
        begun.append(address)

    crowd.extend(gevent.spawn(ask, FLOOD) for _ in range(600))
    gevent.sleep(0)
    before = len(begun)
    assert before < 600
    gevent.spawn(ask, QUIET).get()
    assert len(begun) - before < 100


def test_45_streams_with_any_key_are_limited_like_those_without(
    clearing_data: Database, crowd: list[gevent.Greenlet]
) -> None:
    guard = _guard(clearing_data, anonymous_per_s=1)
    environ = {"QUERY_STRING": "EIO=4", **_with_key("sx_1")}
    crowd.extend(gevent.spawn(guard.require_leave, environ, stream=True) for _ in range(50))
    gevent.sleep(0)
    assert sum(one.dead for one in crowd) < 50 // 2


def test_45_invalid_keys_of_others_refuse_no_first_request(clearing_data: Database) -> None:
    guard = _guard(clearing_data, refused_keys_per_s=1)
    for number in range(24):
        guard.look_up(_with_key(f"sx_{number}", address=f"127.0.1.{number // 3}"))
    with pytest.raises(strangers.TooManyRequests, match="the exchange receives too many invalid keys"):
        guard.require_leave(_with_key("sx_1", address="127.0.1.7"), stream=False)
    guard.require_leave(_with_key(_new_key(clearing_data)), stream=False)


def test_a_key_that_cannot_be_looked_up_is_no_invalid_key() -> None:
    guard = _guard(Database("postgresql+psycopg2://none@127.0.0.1:1/none"), refused_keys_per_s=1)
    for number in range(20):
        guard.require_leave(_with_key(f"sx_{number}"), stream=False)
        assert not guard.look_up(_with_key(f"sx_{number}"))


def test_a_look_up_waits_for_no_request_without_a_key(clearing_data: Database) -> None:
    guard = _guard(clearing_data)
    with ExitStack() as others:
        for _ in range(AT_ONCE):
            others.enter_context(guard.turn({"REMOTE_ADDR": FLOOD}))
        with gevent.Timeout(strangers.TURN_S):
            assert guard.look_up(_with_key(_new_key(clearing_data)))


def test_the_wait_for_a_turn_is_no_part_of_the_time_of_a_request(clearing_data: Database) -> None:
    guard = _guard(clearing_data)
    try:
        time_limit.begin(0.0)
        assert guard.look_up(_with_key(_new_key(clearing_data)))
    finally:
        time_limit.begin(1e9)


def test_names_take_turns() -> None:
    line, called = WaitingLine(), []
    for name in ("a", "a", "a", "b", "b", "c"):
        gevent.spawn(line.wait, name, 60.0).link(lambda _, name=name: called.append(name))
    gevent.sleep(0)
    while line.call():
        gevent.sleep(0.001)
    assert called == ["a", "b", "c", "a", "b", "a"]


def test_a_turn_of_a_connection_that_is_ended_goes_to_the_next() -> None:
    turns = Turns(1)
    assert turns.take(FLOOD, 0)
    ended = gevent.spawn(turns.take, FLOOD, 60)
    gevent.idle()
    ended.kill(block=False)
    turns.give_back()  # to the one that is about to end
    ended.join()
    assert turns.take(QUIET, 0)


def test_a_request_that_has_left_the_line_is_not_called() -> None:
    line, turns = WaitingLine(), Turns(1)
    assert not line.wait("a", 0.01)
    assert not line.call()
    assert turns.take("a", 0.01)
    assert not turns.take("b", 0.01)
    turns.give_back()
    assert turns.take("c", 0.01)


def test_a_pace_refuses_what_would_wait_too_long(crowd: list[gevent.Greenlet]) -> None:
    pace = FairPace(10, ahead_s=0.1, longest_s=1.0)
    crowd.extend(gevent.spawn(pace.wait, FLOOD) for _ in range(50))
    gevent.joinall(crowd)
    assert sum(one.value for one in crowd) <= 1 + 10
    assert pace.wait(QUIET)


@contextmanager
def _serving(guard: Strangers) -> Iterator[ApiServer]:
    """Serve responses of as many parts as the path says."""
    listener = gevent.socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        parts = int(environ["PATH_INFO"][1:])
        start_response("200 OK", [("Content-Length", str(PART))] if parts == 1 else [])
        yield from [b"x" * PART] * parts

    running = ApiServer(listener, application, max_body_bytes=1_000, streams=None, strangers=guard)  # type: ignore[arg-type]
    greenlet = gevent.spawn(running.run)
    try:
        yield running
    finally:
        running.stop(0)
        greenlet.join()


@pytest.mark.parametrize("parts", [1, 3])
def test_strangers_that_read_slowly_hold_up_no_other(clearing_data: Database, parts: int) -> None:
    """A response of several parts takes a turn for each of them."""
    with ExitStack() as stack:
        running = stack.enter_context(_serving(_guard(clearing_data)))
        slow = [stack.enter_context(gevent.socket.create_connection(running.address)) for _ in range(2 * AT_ONCE)]
        for one in slow:
            one.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % parts)
        with gevent.Timeout(60):
            for one in slow:
                assert one.recv(1)  # the response has begun
            other = stack.enter_context(gevent.socket.create_connection(running.address))
            other.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % parts)
            received = 0
            while part := other.recv(1_000_000):
                received += len(part)
    assert received > parts * PART


@pytest.mark.parametrize(
    "anonymous_per_s", [pytest.param(1, id="refused, and then silent"), pytest.param(150, id="not reading")]
)
def test_strangers_take_no_connections_from_traders(
    clearing_data: Database, monkeypatch: pytest.MonkeyPatch, anonymous_per_s: int
) -> None:
    for module in (server, api_server):
        monkeypatch.setattr(module, "MAX_CONNECTIONS", 20)
    monkeypatch.setattr(api_server, "SPARE_CONNECTIONS", 10)
    for name in ("REQUEST_S", "ANSWER_S"):
        monkeypatch.setattr(server, name, 1_000.0)
    key = _new_key(clearing_data)
    with ExitStack() as stack, gevent.Timeout(60):
        running = stack.enter_context(_serving(_guard(clearing_data, anonymous_per_s=anonymous_per_s)))
        for _ in range(60):
            stranger = stack.enter_context(gevent.socket.create_connection(running.address))
            stranger.sendall(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
        trader = stack.enter_context(gevent.socket.create_connection(running.address))
        trader.sendall(b"GET /0 HTTP/1.1\r\nHost: x\r\nX-API-Key: %b\r\n\r\n" % key.encode())
        assert trader.recv(100).startswith(b"HTTP/1.1 200")


def _ask(server_at: Any, *, source: str = FLOOD, key: str = "none") -> bytes:
    """Send one request over a new connection; return the response."""
    with gevent.socket.create_connection(server_at, source_address=(source, 0)) as client:
        client.sendall(b"GET /0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: %b\r\n\r\n" % key.encode())
        response: bytes = client.recv(1_000)
        return response


def test_45_an_address_that_opens_too_many_connections_is_refused_before_its_request_is_read(
    clearing_data: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_server, "NEW_CONNECTIONS_PER_S", 5)
    monkeypatch.setattr(api_server, "NEW_CONNECTIONS_AT_ONCE_S", 1.0)
    key = _new_key(clearing_data)
    with ExitStack() as stack, gevent.Timeout(60):
        running = stack.enter_context(_serving(_guard(clearing_data, refused_keys_per_s=100)))
        flood = [_ask(running.address) for _ in range(10)]
        assert b"429" not in b"".join(flood[:5])
        assert flood[-1].startswith(b"HTTP/1.1 429")
        assert b"this address opens too many connections" in flood[-1]
        # A trader elsewhere needs no connection that lasts, not even next to a flood from its own address.
        for _ in range(20):
            assert _ask(running.address, source=QUIET, key=key).startswith(b"HTTP/1.1 200")
            assert not _ask(running.address, source=QUIET).startswith(b"HTTP/1.1 429")
