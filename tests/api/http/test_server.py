"""HTTP as the api speaks it: malformed heads, bodies that never end, and slow senders."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from statistics import median

import pytest
from kombu import Connection

from api.http.head import KnownHead
from tasks.messages import OrderRequest
from tests.api.conftest import Keys, limit, queued
from tests.support.web import Api, running_api

HOST = b"Host: x\r\n"


def _head(*lines: bytes, request: bytes = b"GET /securities HTTP/1.1") -> bytes:
    return b"".join([request, b"\r\n", *[line + b"\r\n" for line in lines], b"\r\n"])


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_head(b"Host: x", *[b"X-%d: y" % n for n in range(1_000)]), 431),
        (_head(b"Host: x", b"X: " + b"y" * 65_536), 431),
        (_head(b"Host: x", b"Content-Length: 2", b"Content-Length: 2") + b"{}", 400),
        (_head(b"Host: x", b"Content-Length: 2", b"Content-Length: 3") + b"{}", 400),
        (_head(b"Host: x", b"Content-Length: 2, 2") + b"{}", 400),
        (_head(b"Host: x", b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
        (_head(b"Host: x", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
        (_head(b"Host: x", b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 400),
        (_head(b"Host: x", b"Transfer-Encoding: xchunked") + b"0\r\n\r\n", 400),
        (_head(b"Host: x", b"Content-Length: -1"), 400),
        (_head(b"Host: x", b"Content-Length: +2") + b"{}", 400),
        (_head(b"Host: x", b"Content-Length: 0x2") + b"{}", 400),
        (_head(b"Host: x", b"Content-Length: " + b"9" * 30), 400),
        (_head(b"Host: x", b"Content-Length : 2") + b"{}", 400),
        (_head(b"Host: x", b"X: a\x00b"), 400),
        (_head(b"Host: x", b"X: a", b" b"), 400),
        (_head(b"Host: x", b"no colon"), 400),
        (_head(b"Host: x", b": no name"), 400),
        (_head(b"Host: x", b"Host: y"), 400),
        (_head(), 400),
        (_head(b"Host: x", request=b"GET /securities HTTP/9.9"), 400),
        (_head(b"Host: x", request=b"GET /secu rities HTTP/1.1"), 400),
        (_head(b"Host: x", request=b"POST /orders"), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /securities HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (_head(b"Host: x", b"Transfer-Encoding: chunked", request=b"POST /orders HTTP/1.1") + b"zz\r\n", 400),
    ],
    ids=lambda value: repr(value[:70]) if isinstance(value, bytes) else str(value),
)
def test_26_heads_that_are_refused_end_the_connection(shared_api: Api, request_: bytes, status: int) -> None:
    answer = shared_api.raw(request_)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
    assert not answer.endswith(b"<still open>")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["status"] == status


def test_requests_follow_each_other_on_a_connection(api: Api) -> None:
    answer = api.raw(_head(b"Host: x") * 2 + _head(b"Host: x", b"Connection: close"))
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert not answer.endswith(b"<still open>")


def test_a_chunked_body_is_a_body(api: Api, keys: Keys) -> None:
    body = json.dumps(limit()).encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:10], body[10:])) + b"0\r\n\r\n"
    lines = [
        b"Host: x",
        f"Authorization: Bearer {keys.single}".encode(),
        b"Content-Type: application/json",
        b"Transfer-Encoding: chunked",
    ]
    answer = api.raw(_head(*lines, b"Connection: close", request=b"POST /orders HTTP/1.1") + chunks)
    assert answer.startswith(b"HTTP/1.1 202 ")


def test_a_client_that_asks_first_may_send_its_body(api: Api, keys: Keys) -> None:
    body = json.dumps(limit()).encode()
    lines = [
        b"Host: x",
        f"Authorization: Bearer {keys.single}".encode(),
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        b"Expect: 100-continue",
    ]
    with socket.create_connection(("127.0.0.1", api.port)) as client:
        client.settimeout(5)
        client.sendall(_head(*lines, request=b"POST /orders HTTP/1.1"))
        assert client.recv(1_000).startswith(b"HTTP/1.1 100 Continue\r\n")
        client.sendall(body)
        assert client.recv(1_000).startswith(b"HTTP/1.1 202 ")


def test_a_head_like_the_one_before_means_what_it_says(api: Api, keys: Keys, queues: Connection) -> None:
    """The server remembers the head of an order; another length, key or path in the next one counts."""

    def order(key: str, body: bytes, path: bytes = b"/orders", *more: bytes) -> bytes:
        lines = [b"Host: x", b"Authorization: Bearer " + key.encode(), b"Content-Type: application/json", *more]
        return _head(*lines, b"Content-Length: %d" % len(body), request=b"POST " + path + b" HTTP/1.1") + body

    def placed(quantity: int) -> bytes:
        return json.dumps(limit(quantity=quantity)).encode()

    bodies = [placed(quantity) for quantity in (1, 22, 333, 1, 4_444)]
    requests_ = [order(keys.single, body) for body in bodies]
    requests_ += [
        order(keys.single[:-1] + "?", placed(5)),
        order("sx_unknown", placed(5)),
        order(keys.single, b""),
        order(keys.single, placed(7)),
        order(keys.single, placed(7), b"/securities"),
        order(keys.flood, placed(8)),
        order(keys.flood, placed(9), b"/orders", b"Connection: close"),
    ]
    answer = api.raw(b"".join(requests_))
    statuses = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [202] * 5 + [401, 401, 400, 202, 403, 202, 202]
    assert not answer.endswith(b"<still open>")
    assert answer.count(b"Date: ") == len(statuses)
    orders = [order for (order,) in queued(queues, 8) if isinstance(order, OrderRequest)]
    assert [(order.client_id, order.quantity) for order in orders] == [
        *[("SINGLE", quantity) for quantity in (1, 22, 333, 1, 4_444, 7)],
        *[("FLOOD", quantity) for quantity in (8, 9)],
    ]
    with socket.create_connection(("127.0.0.1", api.port)) as client:
        client.settimeout(5)
        for body in (placed(1), placed(12)):
            client.sendall(order(keys.single, body))
            assert client.recv(4_096).startswith(b"HTTP/1.1 202 ")
        head, end, _ = order(keys.single, b" " * 2_000_000).partition(b"\r\n\r\n")
        client.sendall(head + end)  # too long a body is refused before it is read
        refused = client.recv(4_096)
        assert refused.startswith(b"HTTP/1.1 413 ")
        assert b"Connection: close" in refused


@pytest.mark.parametrize(
    ("received", "lengths"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nA: b\r\n\r\n12345", (44, 5)),
        (b"POST / HTTP/1.1\r\nContent-Length: 77\r\nA: b\r\n\r\n", (45, 77)),
        (b"POST / HTTP/1.1\r\nContent-Length: 7", None),
        (b"POST / HTTP/1.1\r\nContent-Length: \r\nA: b\r\n\r\n", None),
        (b"POST / HTTP/1.1\r\nContent-Length: +7\r\nA: b\r\n\r\n", None),
        (b"POST / HTTP/1.1\r\nContent-Length: 7\r\nA: c\r\n\r\n", None),
        (b"POST / HTTP/1.1\r\nContent-Length: 7\r\nA: b\r\nB: c\r\n\r\n", None),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"7" * 18 + b"\r\nA: b\r\n\r\n", None),
    ],
)
def test_only_the_length_of_a_known_head_may_differ(received: bytes, lengths: tuple[int, int] | None) -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nA: b\r\n\r\n"
    known = KnownHead.of(head, {"SERVER_PROTOCOL": "HTTP/1.1"})
    assert known is not None
    assert known.lengths(received) == lengths


@pytest.mark.parametrize(
    "environ",
    [
        {"SERVER_PROTOCOL": "HTTP/1.0"},
        {"SERVER_PROTOCOL": "HTTP/1.1", "HTTP_CONNECTION": "close"},
        {"SERVER_PROTOCOL": "HTTP/1.1", "HTTP_EXPECT": "100-continue"},
        {"SERVER_PROTOCOL": "HTTP/1.1", "HTTP_UPGRADE": "websocket"},
    ],
)
def test_heads_that_are_parsed_always(environ: dict[str, str]) -> None:
    assert KnownHead.of(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", environ) is None


# -- time ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def impatient() -> Iterator[Api]:
    """Start an api that waits one second for a request, and two between requests."""
    with running_api(module="tests.api.http.impatient") as api:
        yield api


@pytest.mark.parametrize(
    "request_",
    [
        b"G",
        b"POST /orders HTTP/1.1\r\nHost: x\r\nX-",
        b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        b"POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
)
def test_27_half_a_request_and_silence(impatient: Api, request_: bytes) -> None:
    started = time.monotonic()
    answer = impatient.raw(request_)
    assert 0.5 < time.monotonic() - started < 15.0
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_27_a_connection_that_rests_is_ended(impatient: Api) -> None:
    assert impatient.raw(b"") == b""


def test_27_slow_senders_do_not_affect_other_clients(impatient: Api, api: Api, keys: Keys) -> None:
    stop = threading.Event()
    ended = [threading.Event() for _ in range(50)]

    def dribble(done: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", impatient.port)) as client:
            try:
                for letter in b"POST /orders HTTP/1.1\r\nX: " + b"y" * 1_000:
                    client.sendall(bytes([letter]))
                    if stop.wait(0.1):
                        return
            except OSError:
                done.set()

    dribblers = [threading.Thread(target=dribble, args=(done,)) for done in ended]
    for dribbler in dribblers:
        dribbler.start()
    try:
        waits_s = []
        for _ in range(20):
            started = time.monotonic()
            assert impatient.ask("POST", "/orders", key=keys.single, json=limit()).status_code == 202
            waits_s.append(time.monotonic() - started)
        # Behind a slow sender each would wait for a second; on a busy machine one of them may.
        assert median(waits_s) < 1.0
        assert all(done.wait(30) for done in ended), "a dribbler was let go on"
    finally:
        stop.set()
        for dribbler in dribblers:
            dribbler.join()


def test_a_stop_answers_requests_under_way() -> None:
    with running_api() as api, socket.create_connection(("127.0.0.1", api.port)) as resting:
        body = b"{}"
        with socket.create_connection(("127.0.0.1", api.port)) as busy:
            busy.sendall(_head(b"Host: x", b"Content-Length: 2", request=b"POST /orders HTTP/1.1")[:-2])
            # A later request is answered, so the server has begun to read the other one.
            resting.sendall(_head(b"Host: x", request=b"GET /health/live HTTP/1.1"))
            assert resting.recv(1_000).startswith(b"HTTP/1.1 200 ")
            ending = threading.Thread(target=lambda: statuses.append(api.process.end(signal.SIGTERM)))
            statuses: list[int] = []
            ending.start()
            resting.settimeout(5)
            assert resting.recv(100) == b""
            busy.sendall(b"\r\n" + body)
            busy.settimeout(5)
            answer = busy.recv(1_000)
            assert answer.startswith(b"HTTP/1.1 401 ")
            assert b"Connection: close" in answer
        ending.join()
    assert statuses == [0]
