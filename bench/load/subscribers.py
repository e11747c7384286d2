"""Subscribers of the streams who cost next to nothing: many raw sockets in one process, which only check and count.

They speak Engine.IO and Socket.IO over a WebSocket as any client does. What all of them get are the same bytes, so what
one read brings is parsed once and looked up afterwards; that it goes on from what was before is checked for each.
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
# For what is under way when the load ends [s].
LINGER_S = 1.0

# Where a snapshot goes on from.
ANY = -1

Key = tuple[str, str]  # channel, security


@dataclass(slots=True)
class Event:
    """An event of a channel, and when each subscriber had it [us since 1970]."""

    key: Key
    is_snapshot: bool
    sequence: int
    previous_sequence: int
    trades: list[int]  # sequences of the trades in it
    arrived_us: array[int] = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class _Read:
    """What one read brings, in whole messages, and when which subscribers had it."""

    messages: int
    events: list[Event]
    spans: dict[Key, tuple[int, int]]  # which sequence it goes on from, and where it ends
    gaps: int  # within it
    pings: int
    arrived_us: array[int] = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class Heard:
    """What all subscribers together have heard."""

    subscribers: int
    messages: int = 0
    bytes: int = 0
    gaps: int = 0  # events that did not go on from the one before, of any channel
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
        """Read what is there: whole messages, none when a part is missing. Raises OSError.

        known  what was read before, and is whole
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
        """Send a short text message, masked with zeros, as a client has to."""
        payload = text.encode()
        self.socket.sendall(struct.pack("!BB4x", 0x81, 0x80 | len(payload)) + payload)

    def payloads(self) -> Iterator[bytes]:
        """The whole messages in what was read while it connected."""
        frames = self._buffer
        for begin, end in _frames(frames):
            self._buffer = frames[end:]
            yield frames[begin:end]


def _end_of_whole(buffer: bytes) -> int:
    """Where the last whole frame ends."""
    ends = [end for _, end in _frames(buffer)]
    return ends[-1] if ends else 0


def _frames(buffer: bytes) -> Iterator[tuple[int, int]]:
    """Where the payloads of whole frames begin and end (RFC 6455, 5.2)."""
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
        self._heard = Heard(count)
        self._known: dict[bytes, _Read] = {}
        self._events: dict[bytes, Event | None] = {}
        self._subscribers = [_Subscriber(host, port) for _ in range(count)]
        self._selector = selectors.EpollSelector()
        for subscriber in self._subscribers:
            self._selector.register(subscriber.socket, selectors.EVENT_READ, subscriber)

    def listen(self, pipe: Pipe) -> Heard:
        """Listen until told to stop, and a moment longer."""
        heard = self._heard
        self._selector.register(pipe.fileno(), selectors.EVENT_READ, None)
        began_s, cpu_s = time.monotonic(), time.process_time()
        until_s = float("inf")
        while (now_s := time.monotonic()) < until_s:
            ready = self._selector.select(min(until_s - now_s, CONNECT_TIMEOUT_S))
            now_us = time.time_ns() // 1_000
            for key, _ in ready:
                if isinstance(key.data, _Subscriber):
                    self._hear(key.data, now_us)
                else:
                    self._selector.unregister(pipe.fileno())
                    heard.seconds, heard.cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
                    until_s = time.monotonic() + LINGER_S
        for read in self._known.values():
            for event in read.events:
                event.arrived_us.extend(read.arrived_us)
        heard.events = [event for event in self._events.values() if event is not None and event.trades]
        heard.last_trades = [
            {security: sequence for (channel, security), sequence in one.last.items() if channel == "trades"}
            for one in self._subscribers
        ]
        return heard

    def _hear(self, subscriber: _Subscriber, now_us: int) -> None:
        heard = self._heard
        try:
            whole = subscriber.receive(self._known)
        except OSError:
            heard.lost += 1
            self._selector.unregister(subscriber.socket)
            return
        heard.bytes += len(whole)
        read = self._known.get(whole)
        if read is None:
            read = self._known[whole] = self._parse(whole)
        heard.messages += read.messages
        heard.gaps += read.gaps
        read.arrived_us.append(now_us)
        for _ in range(read.pings):
            subscriber.send("3")
        last = subscriber.last
        for key, (previous_sequence, sequence) in read.spans.items():
            if previous_sequence != ANY and last.get(key) != previous_sequence:
                heard.gaps += 1
            last[key] = sequence

    def _parse(self, whole: bytes) -> _Read:
        read = _Read(0, [], {}, 0, 0)
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
    """An event of a channel; None for what is none."""
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
    """What the process does: subscribe, say so, listen until told to stop, and tell what was heard."""
    crowd = _Crowd(host, port, count)
    pipe.send(os.getpid())
    pipe.send(crowd.listen(pipe))
