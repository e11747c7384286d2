"""The effect on a trader of floods without a valid key: its answers with and without each flood, in one run.

The trader sends single orders at a calm rate and times each from the moment it was due until its answer. Each kind of
flood comes from one address over twenty connections, then from fifty addresses of 127.0.0.0/8 over a hundred; each
connection sends its next request as soon as it has an answer. Between floods the trader is alone, for comparison.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from secrets import token_urlsafe
from urllib.parse import urlsplit

from bench.scenarios.report import Section, percentile_ms
from bench.target.accounts import NAMES
from bench.target.exchange import Exchange

RATE = 100.0  # orders of the trader [1/s]
SENDERS = 8
LEAST_S = 3.0  # length of a flood
REST_S = 2.0  # between two floods, so that the exchange recovers

ONE = ["127.0.0.2"]
FIFTY = [f"127.0.1.{n}" for n in range(1, 51)]
CONNECTIONS = {1: 20, 50: 100}
# Idle connections of an address, more than it may have.
IDLE = 1_200
TIMEOUT_S = 10.0


def _get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


# A request of each kind of flood.
KINDS: dict[str, Callable[[], bytes]] = {
    "readiness": lambda: _get("/health/ready"),
    "history": lambda: _get("/leaderboard/history?seconds=86400"),
    "docs": lambda: _get("/docs"),
    "wrong keys": lambda: _get("/orders", f"Authorization: Bearer sx_{token_urlsafe(32)}"),
    "one wrong key": lambda: _get("/orders", "Authorization: Bearer sx_wrong"),
    "trades": lambda: _get("/trades/MSFT?limit=1000"),
    "polling sessions": lambda: _get("/socket.io/?EIO=4&transport=polling"),
}
IDLE_SOCKETS = "idle sockets"


@dataclass(slots=True)
class Phase:
    """The trader's answers during one flood, or alone.

    answered_s  from the moment each order was due until its answer
    statuses    of the flood's answers; 0 for a connection that ended without one
    """

    flood: str
    addresses: int
    seconds: float  # as planned, or longer
    answered_s: list[float] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)


def measure(exchange: Exchange, *, seconds: float) -> Section:
    """Run all floods, one after another, in about this time."""
    floods = [(kind, sources) for kind in (*KINDS, IDLE_SOCKETS) for sources in (ONE, FIFTY)]
    each_s = max(seconds / (2 * len(floods) + 1), LEAST_S)
    phases = [_trade(exchange, Phase("none", 0, each_s))]
    for kind, sources in floods:
        phase = Phase(kind, len(sources), each_s)
        _under_flood(exchange, phase, kind, sources)
        phases.append(phase)
        time.sleep(REST_S)
        phases.append(_trade(exchange, Phase("none", 0, each_s)))
    return _section(phases)


def _under_flood(exchange: Exchange, phase: Phase, kind: str, sources: Sequence[str]) -> None:
    spawn = multiprocessing.get_context("spawn")
    pipe, its_pipe = spawn.Pipe()
    process = spawn.Process(target=_flood, args=(exchange.url, kind, sources, its_pipe), daemon=True)
    process.start()
    if not pipe.poll(60):
        raise TimeoutError("the flood did not start")
    pipe.recv()
    _trade(exchange, phase)
    pipe.send("end")
    phase.statuses = pipe.recv()
    process.join()


# -- the trader ------------------------------------------------------------------------------------------------------


def _trade(exchange: Exchange, phase: Phase) -> Phase:
    start_s = time.perf_counter() + 0.1
    senders = [
        threading.Thread(
            target=_send, args=(exchange, phase, start_s, range(number, int(RATE * phase.seconds), SENDERS))
        )
        for number in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    phase.seconds = max(phase.seconds, time.perf_counter() - start_s)
    return phase


def _send(exchange: Exchange, phase: Phase, start_s: float, orders: range) -> None:
    """Send these orders of the trader, each when it is due; they are far from the market and do not trade."""
    address = urlsplit(exchange.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)
    head = {"Content-Type": "application/json", "Authorization": f"Bearer {exchange.client_keys[NAMES[0]]}"}
    terms = {"type": "limit", "security_id": "SHEL", "side": "buy", "quantity": 1, "price": "0.01"}
    order = json.dumps(terms | {"time_in_force": "ioc"})
    for number in orders:
        due_s = start_s + number / RATE
        time.sleep(max(due_s - time.perf_counter(), 0))
        connection.request("POST", "/orders", order, head)
        answer = connection.getresponse()
        answer.read()
        phase.answered_s.append(time.perf_counter() - due_s)
        if answer.status != 202:
            phase.refused[answer.status] += 1


# -- the flood, in a process of its own --------------------------------------------------------------------------------


def _flood(url: str, kind: str, sources: Sequence[str], pipe: Pipe) -> None:
    address = urlsplit(url)
    server = address.hostname or "", address.port or 80
    end = threading.Event()
    statuses: Counter[int] = Counter()
    with ExitStack() as idle:
        if kind == IDLE_SOCKETS:
            for number in range(IDLE if len(sources) == 1 else IDLE * 2):
                source = sources[number % len(sources)], 0
                idle.enter_context(socket.create_connection(server, TIMEOUT_S, source_address=source))
            threads = []
        else:
            threads = [
                threading.Thread(
                    target=_send_requests, args=(server, sources[n % len(sources)], KINDS[kind], statuses, end)
                )
                for n in range(CONNECTIONS[len(sources)])
            ]
        for thread in threads:
            thread.start()
        pipe.send("begun")
        pipe.recv()
        end.set()
        for thread in threads:
            thread.join()
    pipe.send(statuses)


def _send_requests(
    server: tuple[str, int], source: str, request: Callable[[], bytes], statuses: Counter[int], end: threading.Event
) -> None:
    """Send requests until the end, over a new connection whenever one was closed."""
    while not end.is_set():
        try:
            with socket.create_connection(server, TIMEOUT_S, source_address=(source, 0)) as client:
                received = client.makefile("rb")
                while not end.is_set():
                    client.sendall(request())
                    status, goes_on = _answer(received)
                    statuses[status] += 1
                    if not goes_on:
                        break
        except OSError:
            statuses[0] += 1


def _answer(received: object) -> tuple[int, bool]:
    """Read an answer; return its status, and whether the connection stays open."""
    response = http.client.HTTPResponse(_Received(received))  # type: ignore[arg-type]
    response.begin()
    response.read()
    return response.status, not response.will_close


class _Received:
    """A stand-in for a socket that http.client can read from."""

    def __init__(self, received: object) -> None:
        self._received = received

    def makefile(self, _mode: str) -> object:
        """Return the stream of answers, which stays open after each of them."""
        return _Unclosed(self._received)


class _Unclosed:
    def __init__(self, received: object) -> None:
        self._received = received

    def __getattr__(self, name: str) -> object:
        return getattr(self._received, name)

    def close(self) -> None:
        """Do nothing: more answers follow."""


# -- the report ------------------------------------------------------------------------------------------------------


def _section(phases: Sequence[Phase]) -> Section:
    alone = [answered_s for phase in phases if phase.flood == "none" for answered_s in phase.answered_s]
    p50, p99 = percentile_ms(alone, 50), percentile_ms(alone, 99)
    rows = [
        ("trader", f"{RATE:.0f} single orders/s, each from the moment it was due until its answer"),
        ("alone, between the floods", f"p50 {p50:.1f} ms · p99 {p99:.1f} ms, {len(alone):,} orders"),
    ]
    figures: dict[str, object] = {"rate": RATE, "alone": {"p50_ms": round(p50, 2), "p99_ms": round(p99, 2)}}
    floods = []
    for phase in (one for one in phases if one.flood != "none"):
        flooded = percentile_ms(phase.answered_s, 50), percentile_ms(phase.answered_s, 99)
        answers = ", ".join(f"{n / phase.seconds:,.0f}/s {status}" for status, n in sorted(phase.statuses.items()))
        rows.append(
            (
                f"{phase.flood}, {phase.addresses} address{'es' if phase.addresses > 1 else ''}",
                f"p50 {flooded[0]:.1f} ms ({flooded[0] / p50:.1f}x) · p99 {flooded[1]:.1f} ms ({flooded[1] / p99:.1f}x)"
                f" · {sum(phase.refused.values())} of the trader's refused · flood: {answers or 'held open'}",
            )
        )
        floods.append(
            {
                "flood": phase.flood,
                "addresses": phase.addresses,
                "p50_ms": round(flooded[0], 2),
                "p99_ms": round(flooded[1], 2),
                "p99_times": round(flooded[1] / p99, 2),
                "trader_refused": dict(phase.refused),
                "answers": {str(status): n for status, n in phase.statuses.items()},
            }
        )
    return Section("anonymous", rows, figures | {"floods": floods})
