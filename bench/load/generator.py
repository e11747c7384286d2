"""The load generator: one thread, persistent raw sockets, requests framed before the clock starts.

It shares the machine with the exchange that it measures, so it must cost next to nothing: a request is one send and one
receive, and three searches read an answer.

closed loop  every connection sends its next request when the last one is answered, and all pause while the exchange has
             more unfinished orders than allowed
open loop    requests leave at a fixed rate, and their time counts from the moment they were due, so a stalled exchange
             shows in the figures and does not slow the load
"""

from __future__ import annotations

import selectors
import socket
import time
from array import array
from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from bench.load.flow import client_of
from bench.load.requests import (
    CYCLE_ORDERS_ALONE,
    CYCLE_ORDERS_IN_ARRAYS,
    Arrays,
    ArraysWithCancels,
    SingleOrders,
)

# Pause after a refused or lost request, and between two looks at a full pipeline [s].
REFUSED_PAUSE_S = 0.2
FULL_PAUSE_S = 0.002

ANSWER_TIMEOUT_S = 15.0


class Shared(Protocol):
    """A number in memory that two processes share."""

    value: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The load to make."""

    host: str
    port: int
    keys: list[str]  # of the clients
    connections: int
    array_size: int  # 0: single orders
    seconds: float
    rate: float | None  # orders a second; None: closed loop
    cancels: int  # of each array, how many are cancels
    seed: int

    @property
    def orders_each(self) -> int:
        """Orders in a request."""
        return max(self.array_size, 1)

    @property
    def cycle_orders(self) -> int:
        """Orders that a connection sends before it starts over, when it sends no cancels."""
        return CYCLE_ORDERS_IN_ARRAYS // self.array_size * self.array_size if self.array_size else CYCLE_ORDERS_ALONE


@dataclass(slots=True)
class LoadResult:
    """The outcome of a load. Latencies run from the moment a request was due until its answer was read [s]."""

    seconds: float = 0.0
    requests: int = 0
    accepted: int = 0  # orders and cancels
    refused: Counter[str] = field(default_factory=Counter)  # status -> orders and cancels
    lost: int = 0  # connections that broke during a request, so that its outcome is unknown
    latencies_s: array[float] = field(default_factory=lambda: array("d"))
    cpu_s: float = 0.0


class Line:
    """One connection with its requests, one of which may be under way."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan = plan
        head = (
            f"POST /orders HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\n"
            f"Authorization: Bearer {plan.keys[client_of(number)]}\r\nContent-Type: application/json\r\n"
        ).encode()
        self.requests: SingleOrders | ArraysWithCancels
        if plan.array_size == 0:
            self.requests = SingleOrders(head, connection=number, seed=plan.seed)
        elif plan.cancels == 0:
            self.requests = Arrays(head, connection=number, seed=plan.seed, size=plan.array_size)
        else:
            self.requests = ArraysWithCancels(
                head, connection=number, seed=plan.seed, size=plan.array_size, cancels=plan.cancels
            )
        self.due_s = 0.0
        self.is_under_way = False
        self.connect()

    def connect(self) -> None:
        """Open the connection, for the first time or again."""
        self.socket = socket.create_connection((self._plan.host, self._plan.port), timeout=ANSWER_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = b""
        self.is_under_way = False

    def send(self, due_s: float) -> None:
        """Send the next request."""
        self.due_s = due_s
        self.is_under_way = True
        self.socket.sendall(self.requests.take())

    def receive(self) -> tuple[str, bytes] | None:
        """Return status and body once the answer is complete, until then None. Raises OSError."""
        read = self.socket.recv(1 << 18)
        if not read:
            raise ConnectionResetError("closed by the exchange")
        self._answer += read
        head, blank, body = self._answer.partition(b"\r\n\r\n")
        if not blank:
            return None
        _, _, length = head.lower().partition(b"content-length:")
        if len(body) < int(length.partition(b"\r\n")[0]):
            return None
        self._answer = b""
        self.is_under_way = False
        return head[9:12].decode(), body


class Generator:
    """Sends a plan's requests over its connections."""

    def __init__(self, plan: Plan, *, accepted: Shared, allowed: Shared) -> None:
        """Connect.

        accepted  counts accepted orders for the process that watches the exchange
        allowed   set by that process: the largest number of accepted orders in a closed loop
        """
        self._plan = plan
        self._accepted = accepted
        self._allowed = allowed
        self._result = LoadResult()
        self._selector = selectors.EpollSelector()
        self._lines = [Line(plan, number) for number in range(plan.connections)]
        for line in self._lines:
            self._selector.register(line.socket, selectors.EVENT_READ, line)
        self._idle = deque(self._lines)
        self._resting: list[tuple[float, int, Line]] = []  # until when
        self._under_way = 0
        self._ties = count()

    def run(self) -> LoadResult:
        """Send the load, and return its result after the last answer."""
        cpu_s = time.process_time()
        started_s = time.perf_counter()
        end_s = started_s + self._plan.seconds
        self._next_due_s = started_s
        while True:
            now_s = time.perf_counter()
            while self._resting and self._resting[0][0] <= now_s:
                self._idle.append(heappop(self._resting)[2])
            wait_s = self._send_due(now_s) if now_s < end_s else 0.1
            if now_s >= end_s and self._under_way == 0:
                break
            for key, _ in self._selector.select(wait_s):
                self._read(key.data)
            if self._under_way and time.perf_counter() > end_s + ANSWER_TIMEOUT_S:
                self._result.lost += self._under_way
                break
        self._result.seconds = time.perf_counter() - started_s
        self._result.cpu_s = time.process_time() - cpu_s
        return self._result

    def _send_due(self, now_s: float) -> float:
        """Send all due requests, and return the time until the next may be due [s]."""
        if self._plan.rate is None:
            room = (self._allowed.value - self._accepted.value) // self._plan.orders_each - self._under_way
            for _ in range(min(room, len(self._idle))):
                self._send(self._idle.popleft(), now_s)
            return FULL_PAUSE_S if self._idle else 0.1
        while self._idle and self._next_due_s <= now_s:
            self._send(self._idle.popleft(), self._next_due_s)
            self._next_due_s += self._plan.orders_each / self._plan.rate
        return max(self._next_due_s - now_s, 0.0) if self._idle else 0.1

    def _send(self, line: Line, due_s: float) -> None:
        self._result.requests += 1
        self._under_way += 1
        try:
            line.send(due_s)
        except OSError:
            self._reconnect(line)

    def _read(self, line: Line) -> None:
        try:
            answer = line.receive()
        except OSError:
            self._reconnect(line)
            return
        if answer is None:
            return
        status, body = answer
        now_s = time.perf_counter()
        self._under_way -= 1
        self._result.latencies_s.append(now_s - line.due_s)
        accepted = body.count(b'"order_id"') if status.startswith("2") else 0
        self._result.accepted += accepted
        self._accepted.value += accepted
        if accepted < line.requests.orders_each:
            self._result.refused[status] += line.requests.orders_each - accepted
        line.requests.answered(body)
        if accepted:
            self._idle.append(line)
        else:
            heappush(self._resting, (now_s + REFUSED_PAUSE_S, next(self._ties), line))

    def _reconnect(self, line: Line) -> None:
        """Continue over a new connection; the outcome of a request on the old one stays unknown."""
        if line.is_under_way:
            self._under_way -= 1
            self._result.lost += 1
            heappush(self._resting, (time.perf_counter() + REFUSED_PAUSE_S, next(self._ties), line))
        self._selector.unregister(line.socket)
        line.socket.close()
        line.connect()
        self._selector.register(line.socket, selectors.EVENT_READ, line)
