"""Subscribers of the streams that cost next to nothing: many raw sockets in one process, which only check and count.

They speak Engine.IO and Socket.IO over a WebSocket like any client. All of them receive the same bytes, so each chunk
is parsed once and looked up afterwards; whether it continues the previous one is checked for each subscriber.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import time
from array import array
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

CHANNELS = ("trades", "book", "price")
CONNECT_TIMEOUT_S = 30.0
# Time for events that are under way when the load ends [s].
LINGER_S = 1.0

# The previous sequence of a snapshot: it continues from any.
ANY = -1

Key = tuple[str, str]  # channel, security


@dataclass(slots=True)
class Event:
    """An event of a channel, and the time at which each subscriber received it [µs since 1970]."""

    key: Key
    is_snapshot: bool
    sequence: int
    previous_sequence: int
    trades: list[int]  # sequences of the trades in it
    arrived_us: array[int] = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class _Chunk:
    """The whole messages of one read, and the times at which subscribers received them."""

    messages: int
    events: list[Event]
    spans: dict[Key, tuple[int, int]]  # the sequence it continues from, and its last one
    gaps: int  # within it
    pings: int
    arrived_us: array[int] = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class CrowdResult:
    """The messages that all subscribers together received."""

    subscribers: int
    messages: int = 0
    bytes: int = 0
    gaps: int = 0  # events of any channel that did not continue from the previous one
    lost: int = 0  # connections that ended
    events: list[Event] = field(default_factory=list)  # of trades alone
    last_trades: list[dict[str, int]] = field(default_factory=list)  # of each subscriber, by security
    seconds: float = 0.0
    cpu_s: float = 0.0


class _Subscriber:
    """One connection."""

    def __init__(self, host: str, port: int) -> None:
        self.last: dict[Key, int] = {}
        self._buffer = b""
        self.socket = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S)
        self.socket.sendall(
            (
                f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c3Vic2NyaWJlcnMxMjM0NQ==\r\n"
                "\r\n"
            ).encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._read()
        self._buffer = self._buffer.partition(b"\r\n\r\n")[2]
        self._expect(b"0")
        self.send("40")
        self._expect(b"40")
        for number, channel in enumerate(CHANNELS):
            self.send(f"42{number}" + json.dumps(["subscribe", {"channel": channel}]))
        self.socket.setblocking(False)

    def _expect(self, beginning: bytes) -> None:
        while True:
            for payload in self.payloads():
                if payload.startswith(beginning):
                    return
            self._read()

    def _read(self) -> None:
        read = self.socket.recv(1 << 18)
        if not read:
            raise ConnectionResetError("closed by the streams")
        self._buffer += read

    def receive(self, known: Container[bytes]) -> bytes:
        """Return the whole messages that have arrived. Raises OSError.

        known  earlier chunks of whole messages
        """
        read = self.socket.recv(1 << 18)
        if not read:
            raise ConnectionResetError("closed by the streams")
        if not self._buffer and read in known:
            return read
        whole = self._buffer + read
        end = _end_of_whole(whole)
        self._buffer = whole[end:]
        return whole[:end]

    def send(self, text: str) -> None:
        """Send a short text message, masked (with zeros), as RFC 6455 requires of clients."""
        payload = text.encode()
        self.socket.sendall(struct.pack("!BB4x", 0x81, 0x80 | len(payload)) + payload)

    def payloads(self) -> Iterator[bytes]:
        """Yield the whole messages that arrived while it connected."""
        frames = self._buffer
        for begin, end in _frames(frames):
            self._buffer = frames[end:]
            yield frames[begin:end]


def _end_of_whole(buffer: bytes) -> int:
    ends = [end for _, end in _frames(buffer)]
    return ends[-1] if ends else 0


def _frames(buffer: bytes) -> Iterator[tuple[int, int]]:
    """Yield the begin and end of each whole frame's payload (RFC 6455, 5.2)."""
    at = 0
    while len(buffer) >= at + 2:
        size, begin = buffer[at + 1], at + 2
        if size == 126:
            size, begin = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, begin = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
        if len(buffer) < begin + size:
            return
        yield begin, begin + size
        at = begin + size


class _Crowd:
    """All subscribers."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self._result = CrowdResult(count)
        self._known: dict[bytes, _Chunk] = {}
        self._events: dict[bytes, Event | None] = {}
        self._subscribers = [_Subscriber(host, port) for _ in range(count)]
        self._selector = selectors.EpollSelector()
        for subscriber in self._subscribers:
            self._selector.register(subscriber.socket, selectors.EVENT_READ, subscriber)

    def listen(self, pipe: Pipe) -> CrowdResult:
        """Listen until the pipe has a message, and for LINGER_S more."""
        result = self._result
        self._selector.register(pipe.fileno(), selectors.EVENT_READ, None)
        began_s, cpu_s = time.monotonic(), time.process_time()
        until_s = float("inf")
        while (now_s := time.monotonic()) < until_s:
            ready = self._selector.select(min(until_s - now_s, CONNECT_TIMEOUT_S))
            now_us = time.time_ns() // 1_000
            for key, _ in ready:
                if isinstance(key.data, _Subscriber):
                    self._receive(key.data, now_us)
                else:
                    self._selector.unregister(pipe.fileno())
                    result.seconds, result.cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
                    until_s = time.monotonic() + LINGER_S
        for read in self._known.values():
            for event in read.events:
                event.arrived_us.extend(read.arrived_us)
        result.events = [event for event in self._events.values() if event is not None and event.trades]
        result.last_trades = [
            {security: sequence for (channel, security), sequence in one.last.items() if channel == "trades"}
            for one in self._subscribers
        ]
        return result

    def _receive(self, subscriber: _Subscriber, now_us: int) -> None:
        result = self._result
        try:
            whole = subscriber.receive(self._known)
        except OSError:
            result.lost += 1
            self._selector.unregister(subscriber.socket)
            return
        result.bytes += len(whole)
        read = self._known.get(whole)
        if read is None:
            read = self._known[whole] = self._parse(whole)
        result.messages += read.messages
        result.gaps += read.gaps
        read.arrived_us.append(now_us)
        for _ in range(read.pings):
            subscriber.send("3")
        last = subscriber.last
        for key, (previous_sequence, sequence) in read.spans.items():
            if previous_sequence != ANY and last.get(key) != previous_sequence:
                result.gaps += 1
            last[key] = sequence

    def _parse(self, whole: bytes) -> _Chunk:
        read = _Chunk(0, [], {}, 0, 0)
        for begin, end in _frames(whole):
            payload = whole[begin:end]
            if payload not in self._events:
                self._events[payload] = _parsed(payload)
            event = self._events[payload]
            read.messages += 1
            read.pings += payload == b"2"  # of Engine.IO
            if event is None:
                continue
            read.events.append(event)
            first, before = read.spans.get(event.key, (event.previous_sequence, event.previous_sequence))
            read.gaps += before != event.previous_sequence and event.previous_sequence != ANY
            read.spans[event.key] = first, event.sequence
        return read


def _parsed(payload: bytes) -> Event | None:
    """Return the event of a message; None: the message is not an event of a channel."""
    if not payload.startswith(b"42["):
        return None
    name, content = json.loads(payload[2:])
    if name not in CHANNELS:
        return None
    rows: Any = content["data"] if name == "trades" else ()
    is_snapshot = content["type"] == "snapshot"
    trades = [row["sequence"] for row in rows] if not is_snapshot else []
    first = content["previous_sequence"] + 1
    if trades and trades != list(range(first, content["sequence"] + 1)):
        raise ValueError(
            f"trades of {content['security_id']} are not in order: {first} to {content['sequence']}: {trades}"
        )
    previous_sequence = ANY if is_snapshot else first - 1
    return Event((name, content["security_id"]), is_snapshot, content["sequence"], previous_sequence, trades)


def run(host: str, port: int, count: int, pipe: Pipe) -> None:
    """Subscribe, report readiness on the pipe, listen until the pipe has a message, and send the result."""
    crowd = _Crowd(host, port, count)
    pipe.send(os.getpid())
    pipe.send(crowd.listen(pipe))
