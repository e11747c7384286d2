"""Subscribers of the streams who cost next to nothing: many raw sockets in one process, which only check and count.

They speak Engine.IO and Socket.IO over a WebSocket as any client does. Of an event that all of them get the bytes are
the same, so each is parsed once and looked up afterwards; who gets it, in which order and when is noted for each.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

CHANNELS = ("trades", "book", "price")
CONNECT_TIMEOUT_S = 30.0
# For what is under way when the load ends [s].
LINGER_S = 1.0

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

    def receive(self) -> int:
        """Read what is there; how many bytes. Raises OSError."""
        before = len(self._buffer)
        self._read()
        return len(self._buffer) - before

    def send(self, text: str) -> None:
        """Send a short text message, masked with zeros, as a client has to."""
        payload = text.encode()
        self.socket.sendall(struct.pack("!BB4x", 0x81, 0x80 | len(payload)) + payload)

    def payloads(self) -> Iterator[bytes]:
        """The whole messages in what was read (RFC 6455, 5.2)."""
        buffer, at = self._buffer, 0
        while len(buffer) >= at + 2:
            size, begin = buffer[at + 1], at + 2
            if size == 126:
                size, begin = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, begin = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if len(buffer) < begin + size:
                break
            yield buffer[begin : begin + size]
            at = begin + size
        self._buffer = buffer[at:]


class _Crowd:
    """All subscribers."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self._heard = Heard(count)
        self._known: dict[bytes, Event | None] = {}
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
        heard.events = [event for event in self._known.values() if event is not None and event.trades]
        heard.last_trades = [
            {security: sequence for (channel, security), sequence in one.last.items() if channel == "trades"}
            for one in self._subscribers
        ]
        return heard

    def _hear(self, subscriber: _Subscriber, now_us: int) -> None:
        heard = self._heard
        try:
            heard.bytes += subscriber.receive()
        except OSError:
            heard.lost += 1
            self._selector.unregister(subscriber.socket)
            return
        for payload in subscriber.payloads():
            heard.messages += 1
            try:
                event = self._known[payload]
            except KeyError:
                event = self._known[payload] = _parsed(payload)
            if event is None:
                if payload == b"2":  # a ping of Engine.IO
                    subscriber.send("3")
                continue
            if not event.is_snapshot:
                event.arrived_us.append(now_us)
                if subscriber.last.get(event.key) != event.previous_sequence:
                    heard.gaps += 1
            subscriber.last[event.key] = event.sequence


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
    return Event((name, content["security_id"]), is_snapshot, content["sequence"], first - 1, trades)


def run(host: str, port: int, count: int, pipe: Pipe) -> None:
    """What the process does: subscribe, say so, listen until told to stop, and tell what was heard."""
    crowd = _Crowd(host, port, count)
    pipe.send(os.getpid())
    pipe.send(crowd.listen(pipe))
