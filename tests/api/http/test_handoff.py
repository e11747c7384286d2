"""Streams share only the api's port: their connections belong to another process."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import socketio
import websocket
from kombu import Connection

from db.connect import Database
from tests.api.conftest import Keys, limit
from tests.support.web import Api, WebProcess, problem, running_api

WEBSOCKETS = 50
# Connections to Postgres that a pool may open or close meanwhile.
POOL = 8


@dataclass(frozen=True)
class Pair:
    """An api and the streams process to which it hands connections."""

    api: Api
    streams: WebProcess


@pytest.fixture(scope="module")
def shared_pair() -> Iterator[Pair]:
    """Start both processes with a run directory of their own: the path of a Unix socket has to be short."""
    with tempfile.TemporaryDirectory(prefix="run-") as run_directory:
        environment = {"RUN_DIRECTORY": run_directory}
        streams = WebProcess("api.streams", environment)
        streams.start("streams_ready")
        try:
            with running_api(environment) as api:
                yield Pair(api, streams)
        finally:
            streams.end()


@pytest.fixture
def pair(shared_pair: Pair, clearing_data: Database, market_data: Database, queues: Connection) -> Pair:
    """Return both processes on a new exchange."""
    return shared_pair


def _open(api: Api, path: str = "/stream/price", *, key: str | None = None) -> websocket.WebSocket:
    header = [f"Authorization: Bearer {key}"] if key else []
    return websocket.create_connection(f"ws://127.0.0.1:{api.port}{path}", header=header, timeout=30)


def _sockets(pid: int) -> int:
    """Return how many sockets a process holds."""
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed since the folder was read
            found += str(link.readlink()).startswith("socket:")
    return found


def _assert_answers(stream: websocket.WebSocket) -> None:
    """Check that the server answers a ping, after the prices that were under way."""
    stream.ping("are you there")
    while (kind := stream.recv_data_frame(control_frame=True)[0]) == websocket.ABNF.OPCODE_TEXT:
        pass
    assert kind == websocket.ABNF.OPCODE_PONG


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_api_forgets_a_connection_it_has_handed_over(pair: Pair, keys: Keys) -> None:
    pair.api.ask("POST", "/orders", key=keys.single, json=limit())
    api_before, streams_before = _sockets(pair.api.process.pid), _sockets(pair.streams.pid)
    opened = [_open(pair.api) for _ in range(WEBSOCKETS)]
    _wait_until(lambda: _sockets(pair.api.process.pid) <= api_before + POOL)
    assert _sockets(pair.streams.pid) >= streams_before + WEBSOCKETS - POOL
    for one in opened:
        _assert_answers(one)
        one.close()
    _wait_until(lambda: _sockets(pair.streams.pid) <= streams_before + POOL)


def test_streams_that_hang_hold_up_no_order(pair: Pair, keys: Keys) -> None:
    opened = [_open(pair.api) for _ in range(WEBSOCKETS)]
    os.kill(pair.streams.pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(16) as crowd:
            statuses = crowd.map(
                lambda _: pair.api.ask("POST", "/orders", key=keys.single, json=limit()).status_code, range(200)
            )
            assert set(statuses) == {202}
    finally:
        os.kill(pair.streams.pid, signal.SIGCONT)
    for one in opened:
        _assert_answers(one)
        one.close()


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
def test_socketio(pair: Pair, transports: list[str]) -> None:
    heartbeats: list[object] = []
    client = socketio.Client()
    client.on("heartbeat", heartbeats.append)
    client.connect(pair.api.url, transports=transports, wait_timeout=30)
    try:
        assert client.transport() == transports[-1]
        assert client.call("subscribe", {"channel": "price", "security_id": "MSFT"}, timeout=30) == {
            "status": "success"
        }
        _wait_until(lambda: bool(heartbeats))
    finally:
        client.disconnect()


def test_a_plain_answer_of_streams_ends_the_connection(pair: Pair) -> None:
    request = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = pair.api.raw(request)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"\r\nConnection: close\r\n" in answer
    assert not answer.endswith(b"<still open>")


def test_after_plain_requests_a_connection_may_be_handed_over(pair: Pair) -> None:
    request = b"GET /securities HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = pair.api.raw(request * 2 + b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert b'"upgrades"' in answer


def test_a_key_goes_with_the_connection(pair: Pair, keys: Keys) -> None:
    _open(pair.api, "/stream/report", key=keys.single).close()
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        _open(pair.api, "/stream/report", key="sx_unknown")
    assert refused.value.status_code == 401
    assert json.loads(refused.value.resp_body)["code"] == "unauthorized"


def test_a_body_for_a_stream_is_small(pair: Pair) -> None:
    answer = pair.api.ask("POST", "/socket.io/?EIO=4&transport=polling&sid=x", data=b"x" * 70_000)
    assert (answer.status_code, problem(answer)["code"]) == (413, "body_too_large")


def test_without_streams_the_rest_goes_on(api: Api, keys: Keys) -> None:
    answer = api.ask("GET", "/socket.io/?EIO=4&transport=polling")
    assert (answer.status_code, problem(answer)["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"].isdigit()
    assert api.ask("POST", "/orders", key=keys.single, json=limit()).status_code == 202
    assert api.ask("GET", "/health/ready").json()["dependencies"]["streams"] == "away"
