"""Row 45: connections, sessions and subscriptions without a key are bounded, by address and in all."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from websocket import (
    ABNF,
    WebSocket,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    create_connection,
)

from api.streams.clients.caps import HELD_BACK_S, MAX_REQUESTS_OF_SESSION, SubscriptionBudget
from api.streams.sockets.websocket import READ_BYTES, READS_PER_S
from db.connect import Database
from tests.api.streams.conftest import Feed, Keys, trades
from tests.api.streams.test_channels import subscribe
from tests.support.feed import trade
from tests.support.streams import Refused, Streams, wait_until

MOST = 3


@pytest.fixture
def capped(market_data: Database, api_keys: Keys) -> Iterator[Streams]:
    with Streams(environment={"MAX_CONNECTIONS_PER_ADDRESS": str(MOST)}) as running:
        yield running


def _raw(streams: Streams, address: str = "127.0.0.1", path: str = "/stream/price") -> WebSocket:
    connected = socket.create_connection(("127.0.0.1", streams.port), source_address=(address, 0))
    return create_connection(f"ws://127.0.0.1:{streams.port}{path}", timeout=10, socket=connected)


def _answers(client: WebSocket) -> bool:
    """Return whether the connection is still open at the other end."""
    try:
        client.ping()
        while client.recv_data_frame(control_frame=True)[0] != ABNF.OPCODE_PONG:
            pass
    except (WebSocketConnectionClosedException, OSError):
        return False
    return True


def _assert_refused(refusal: WebSocketBadStatusException) -> None:
    assert refusal.status_code == 429
    assert refusal.resp_headers["retry-after"] == "1"
    assert json.loads(refusal.resp_body)["code"] == "too_many_connections"


def _open_session(streams: Streams) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{streams.port}/socket.io/?EIO=4&transport=polling", timeout=10)


def test_45_connections_of_an_address_are_bounded(capped: Streams, api_keys: Keys) -> None:
    held = [_raw(capped) for _ in range(MOST)]
    for path in ("/stream/price", f"/stream/report?api_key={api_keys.flood}"):
        with pytest.raises(WebSocketBadStatusException) as refused:
            _raw(capped, path=path)
        _assert_refused(refused.value)
    assert _open_session(capped).status_code == 429
    other = _raw(capped, "127.0.0.2")
    held.pop().close()
    wait_until(lambda: _open_session(capped).status_code == 200)
    assert other.connected


def test_45_polling_sessions_of_an_address_are_bounded(capped: Streams) -> None:
    answers = [_open_session(capped) for _ in range(MOST)]
    began_s = time.monotonic()
    answers.append(_open_session(capped))
    assert time.monotonic() - began_s > HELD_BACK_S  # so that a flood is slow
    assert [answer.status_code for answer in answers] == [200] * MOST + [429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert answers[-1].json()["code"] == "too_many_connections"
    with pytest.raises(Refused):
        capped.socketio()


def test_45_connections_in_all_are_bounded_and_some_are_kept_for_keys(market_data: Database, api_keys: Keys) -> None:
    constants = {"api.streams.clients.places.MAX_PLACES": 4, "api.streams.clients.places.MAX_ANONYMOUS": 2}
    with Streams(constants=constants) as streams:
        held = [_raw(streams, f"127.0.0.{number}") for number in range(1, 3)]
        with pytest.raises(WebSocketBadStatusException) as refused:
            _raw(streams, "127.0.0.9")
        _assert_refused(refused.value)
        with_key = f"/stream/report?api_key={api_keys.flood}"
        held += [_raw(streams, "127.0.0.9", with_key) for _ in range(2)]
        with pytest.raises(WebSocketBadStatusException) as refused:
            _raw(streams, "127.0.0.9", with_key)
        _assert_refused(refused.value)
        assert all(one.connected for one in held)


def test_45_an_address_that_holds_many_places_makes_room_for_others(market_data: Database, api_keys: Keys) -> None:
    with Streams(constants={"api.streams.clients.places.MAX_ANONYMOUS": 4}) as streams:
        sessions = [streams.socketio(), streams.socketio()]
        held = [_raw(streams) for _ in range(2)]
        with pytest.raises(WebSocketBadStatusException):
            _raw(streams)
        others = [_raw(streams, "127.0.0.2") for _ in range(2)]
        wait_until(lambda: not any(one.connected for one in sessions))
        with pytest.raises(WebSocketBadStatusException):
            _raw(streams, "127.0.0.2")
        others.append(_raw(streams, "127.0.0.3"))
        wait_until(lambda: not _answers(held[0]))
        assert all(_answers(one) for one in others)


def test_45_a_session_that_has_given_a_key_makes_room_for_others(market_data: Database, api_keys: Keys) -> None:
    with Streams(constants={"api.streams.clients.places.MAX_ANONYMOUS": 1}) as streams:
        traders = [streams.socketio({"api_key": api_keys.flood}) for _ in range(3)]
        anonymous = streams.socketio()
        with pytest.raises(Refused):
            streams.socketio()
        anonymous.close()
        wait_until(lambda: _open_session(streams).status_code == 200)
        assert all(trader.connected for trader in traders)


def test_45_what_one_client_sends_is_taken_at_a_steady_pace(market_data: Database, api_keys: Keys) -> None:
    constants = {
        "api.streams.clients.caps.NEW_OF_ADDRESS_PER_S": 10,
        "api.streams.clients.caps.OF_SESSION_PER_S": 10,
        "api.streams.sockets.websocket.READS_AHEAD_S": 0.2,
    }
    with Streams(constants=constants) as streams, requests.Session() as client:
        session = json.loads(_open_session(streams).text.removeprefix("0"))["sid"]
        path = f"http://127.0.0.1:{streams.port}/socket.io/?EIO=4&transport=polling&sid="
        for of_session, status in [("none", 400), (session, 200)]:
            began_s = time.monotonic()
            for _ in range(20):  # over one connection
                assert client.post(path + of_session, data="3", timeout=10).status_code == status
            assert time.monotonic() - began_s > (20 - 11) / 10
        websocket = _raw(streams, path="/socket.io/?EIO=4&transport=websocket")
        websocket.send("40")
        began_s = time.monotonic()
        for number in range(60):
            websocket.send(f'42{number}["{"x" * 1_000}"]')
        while not websocket.recv().startswith("4359"):
            pass
        assert time.monotonic() - began_s > (60_000 / READ_BYTES - 11) / READS_PER_S
        websocket.close()


@pytest.mark.parametrize("transports", [("polling",), ("websocket",)])
def test_45_a_session_without_key_and_subscription_ends(
    market_data: Database, api_keys: Keys, transports: tuple[str, ...]
) -> None:
    with Streams(constants={"api.streams.clients.caps.IDLE_S": 2.0}) as streams:
        idle = streams.socketio(transports=transports)
        subscribed = streams.socketio(transports=transports)
        subscribe(subscribed, "price")
        trader = streams.socketio({"api_key": api_keys.flood}, transports=transports)
        session = json.loads(_open_session(streams).text.removeprefix("0"))["sid"]
        wait_until(lambda: not idle.connected)
        lazy = f"http://127.0.0.1:{streams.port}/socket.io/?EIO=4&transport=polling&sid={session}"
        wait_until(lambda: requests.get(lazy, timeout=10).status_code == 400)
        beats = len(trader.of("heartbeat")), len(subscribed.of("heartbeat"))
        trader.wait_for("heartbeat", beats[0] + 3)
        subscribed.wait_for("heartbeat", beats[1] + 3)


def test_45_the_requests_of_a_session_are_bounded(idle_streams: Streams) -> None:
    session = json.loads(_open_session(idle_streams).text.removeprefix("0"))["sid"]
    path = f"/socket.io/?EIO=4&transport=polling&sid={session}"
    polls = [socket.create_connection(("127.0.0.1", idle_streams.port)) for _ in range(MAX_REQUESTS_OF_SESSION + 1)]
    for poll in polls:  # the first is answered at once: what the session begins with waits for it
        poll.sendall(f"GET {path} HTTP/1.1\r\nHost: exchange\r\nConnection: close\r\n\r\n".encode())
    pong = {"url": f"http://127.0.0.1:{idle_streams.port}{path}", "data": "3", "timeout": 10}
    wait_until(lambda: requests.post(**pong).status_code == 429)
    for poll in polls:
        poll.close()


def test_45_subscriptions_come_at_a_bounded_rate(idle_streams: Streams) -> None:
    client = idle_streams.socketio()
    answers: list[dict[str, Any]] = []
    wait_until(lambda: answers.append(subscribe(client, "candles", None)) or "code" in answers[-1])  # type: ignore[func-returns-value]
    assert (answers[-1]["status"], answers[-1]["code"]) == (429, "too_many_subscriptions")
    assert len(answers) > SubscriptionBudget.BURST // 5
    wait_until(lambda: subscribe(client, "candles", None) == {"status": "success"})
    client.close()


def test_45_subscriptions_of_a_connection_are_bounded(market_data: Database, api_keys: Keys) -> None:
    with Streams(constants={"api.streams.channels.MAX_SUBSCRIPTIONS": 7}) as streams:
        client = streams.socketio()
        assert subscribe(client, "price", None) == {"status": "success"}
        refused = subscribe(client, "book", None)
        assert (refused["status"], refused["code"]) == (429, "too_many_subscriptions")
        assert subscribe(client, "book") == {"status": "success"}
        client.ask("unsubscribe", {"channel": "price"})
        assert subscribe(client, "trades", None) == {"status": "success"}


def test_45_snapshots_are_current(streams: Streams, feed: Feed) -> None:
    """The streams make one snapshot for all subscribers, and another after each change."""
    for number in range(1, 4):
        feed.publish(trades(trade(number)))
        first = streams.socketio()
        wait_until(lambda last=number, one=first: _candles(one)["sequence"] == last)
        others = [streams.socketio() for _ in range(2)]
        assert {json.dumps(_candles(one)) for one in others} == {json.dumps(_candles(first))}
        assert _candles(first)["data"][0]["volume"] == 5 * number


def _candles(client: Any) -> dict[str, Any]:
    """Return the snapshot that a new subscriber of candles gets."""
    before = len(client.of("candles"))
    assert subscribe(client, "candles") == {"status": "success"}
    snapshot: dict[str, Any] = client.wait_for("candles", before + 1)[-1]
    return snapshot
