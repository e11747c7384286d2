"""Caddy in front of the exchange: orders over HTTPS, streams, and bounds on what clients send."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio
from websocket import create_connection

from db.connect import Database
from deploy.local import public
from deploy.local.failure import Failure
from deploy.local.places import Instance
from tests.support.databases import renew_clearing_data, renew_market_data
from tests.support.exchange import Exchange, running_exchange
from tests.support.side_by_side import free_port

NAME = "localhost"
MAX_BODY_BYTES = 100_000


class Door:
    """A running Caddy."""

    def __init__(self, directory: Path, upstream_port: int) -> None:
        self.asked_for = public.PublicDoor(NAME, "internal", free_port(), free_port())
        self.root = directory / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        program = self.asked_for.program(
            Instance(directory), upstream=f"127.0.0.1:{upstream_port}", max_body_bytes=MAX_BODY_BYTES
        )
        self.log = directory / "caddy.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                program.command, env={"PATH": os.environ["PATH"], **program.environment}, stdout=log, stderr=log
            )

    @property
    def url(self) -> str:
        return self.asked_for.url

    def is_up(self) -> bool:
        """Return whether it serves with its certificate."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            with self.connect():
                return True
        except (OSError, ssl.SSLError):
            return False

    def connect(self) -> ssl.SSLSocket:
        """Open a connection for raw bytes."""
        context = ssl.create_default_context(cafile=str(self.root))
        plain = socket.create_connection(("127.0.0.1", self.asked_for.https_port), timeout=60)
        return context.wrap_socket(plain, server_hostname=NAME)

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        return requests.request(method, self.url + path, verify=str(self.root), timeout=60, **more)


@contextmanager
def open_door(directory: Path, upstream_port: int) -> Iterator[Door]:
    door = Door(directory, upstream_port)
    try:
        Exchange.wait_until(door.is_up, "Caddy answers")
        yield door
    finally:
        door.process.terminate()
        door.process.wait()


@pytest.fixture(scope="module")
def exchange(_databases: tuple[Database, Database]) -> Iterator[Exchange]:
    renew_clearing_data(_databases[0])
    renew_market_data(_databases[1])
    with running_exchange(without=["referee"]) as running:
        yield running


@pytest.fixture(scope="module")
def door(exchange: Exchange, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with open_door(tmp_path_factory.mktemp("door"), int(exchange.url.rpartition(":")[2])) as door:
        yield door


class _Echo(BaseHTTPRequestHandler):
    """Answers with the head of the request."""

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): self.headers.get_all(name) for name in self.headers}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def echoing(tmp_path: Path) -> Iterator[Door]:
    """Caddy in front of a server that shows the requests it receives."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with open_door(tmp_path, server.server_address[1]) as door:
            yield door
        server.shutdown()
        thread.join()


def order(price: str) -> dict[str, Any]:
    return {"type": "limit", "security_id": "MSFT", "side": "buy", "quantity": 1, "price": price}


def key_of(exchange: Exchange) -> dict[str, str]:
    return {"X-API-Key": exchange.keys["SINGLE"]}


def test_an_order_over_https_is_reported_on_a_websocket(exchange: Exchange, door: Door) -> None:
    stream = create_connection(
        door.url.replace("https", "wss") + "/stream/report",
        header=key_of(exchange),
        sslopt={"ca_certs": str(door.root)},
        timeout=60,
    )
    placed = door.ask("POST", "/orders", json=order("1.00"), headers=key_of(exchange))
    assert placed.status_code == 202
    assert placed.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Server" not in placed.headers
    while json.loads(stream.recv())["order_id"] != placed.json()["order_id"]:
        pass
    stream.close()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_socketio_passes_through(exchange: Exchange, door: Door, transport: str) -> None:
    session = requests.Session()
    session.verify, session.trust_env = str(door.root), False
    client = socketio.Client(
        http_session=session, websocket_extra_options={"sslopt": {"ca_certs": str(door.root)}}, reconnection=False
    )
    client.connect(door.url, transports=[transport], wait_timeout=60)
    answer = client.call("subscribe", {"channel": "book", "security_id": "MSFT"}, timeout=60)
    assert answer, answer
    client.disconnect()


def test_http_is_redirected_to_https(door: Door) -> None:
    address = f"http://{NAME}:{door.asked_for.http_port}/book/MSFT"
    answer = requests.get(address, allow_redirects=False, timeout=60)
    assert answer.status_code == 308
    assert answer.headers["Location"].startswith(f"https://{NAME}")


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "//metrics", "/%6detrics", "/METRICS", "/x/../metrics"])
def test_metrics_are_not_public(exchange: Exchange, door: Door, path: str) -> None:
    assert requests.get(exchange.url + "/metrics", timeout=60).status_code == 200
    with door.connect() as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert answer.split()[1] in (b"404", b"308"), answer[:200]
    assert b"exchange_" not in answer


def test_a_head_that_is_too_large_is_refused(door: Door) -> None:
    with door.connect() as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\nX-Much: {'x' * 40_000}\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 431")


def test_an_endless_body_is_disconnected(exchange: Exchange, door: Door) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += MAX_BODY_BYTES
            yield b" " * MAX_BODY_BYTES

    headers = {**key_of(exchange), "Content-Type": "application/json"}
    try:
        status = door.ask("POST", "/orders", data=body(), headers=headers).status_code
    except requests.ConnectionError:  # the connection broke before the answer was read
        status = 413
    assert status == 413
    assert sent < 1_000 * MAX_BODY_BYTES


def test_a_client_cannot_claim_an_address(echoing: Door) -> None:
    spoofed = {"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
    seen = echoing.ask("GET", "/", headers=spoofed | {"X-Forwarded-Proto": "http"}).json()
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["x-forwarded-proto"] == ["https"]
    assert "192.0.2.1" not in str(seen)


def test_an_exchange_that_is_away_leaves_the_outcome_open(tmp_path: Path) -> None:
    with open_door(tmp_path, free_port()) as door:
        answer = door.ask("POST", "/orders", json=order("1.00"))
    assert (answer.status_code, answer.json()["code"]) == (503, "unknown_outcome")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"PUBLIC": "https://x.example"}, "wrong PUBLIC: it must be the host name"),
        ({"PUBLIC": "a b"}, "wrong PUBLIC: "),
        ({"PUBLIC": "x.example", "PUBLIC_TLS": "none"}, "wrong PUBLIC_TLS: it must be one of: acme, internal"),
        ({"PUBLIC": "x.example", "PUBLIC_HTTPS_PORT": "0"}, "wrong PUBLIC_HTTPS_PORT: "),
    ],
)
def test_an_invalid_variable_is_refused(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(Failure, match=f"^{sentence}"):
        public.from_environment(variables)


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Failure, match=f"port {port} is in use .* `make up PUBLIC_HTTPS_PORT="):
            public.PublicDoor(NAME, "internal", free_port(), port).require_ports()


def test_without_public_there_is_no_door() -> None:
    assert public.from_environment({"PUBLIC": ""}) is None
    assert public.from_environment({"PUBLIC": "x.example"}) == public.PublicDoor("x.example", "acme", 80, 443)
