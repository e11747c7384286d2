"""Frames leave in order and together, and a client that does not read delays no other."""

from __future__ import annotations

from typing import cast

import gevent
import pytest
from gevent import socket

from api.streams.sockets import fanout
from api.streams.sockets.fanout import Fanout, Outbox
from api.streams.sockets.websocket import WebSocket, _WholeWrites
from tests.api.streams.sockets.test_websocket import small_pair


class OpenWebSocket:
    """The part of a WebSocket that an outbox uses, on a pair of sockets; it counts its writes."""

    def __init__(self, ours: socket.socket) -> None:
        self._whole = _WholeWrites(ours)
        self.connected = True
        self.writes = 0

    def send_frames(self, frames: bytes) -> None:
        self._whole.sendall(frames)

    def send_now(self, frames: bytes) -> bool:
        self.writes += 1
        return self._whole.send_now(frames)

    def cut(self) -> None:
        self.connected = False
        self._whole.cut()


@pytest.fixture
def rounds() -> Fanout:
    return Fanout()


def outbox_on(rounds: Fanout, ours: socket.socket) -> tuple[Outbox, OpenWebSocket]:
    outbox, websocket = Outbox(rounds), OpenWebSocket(ours)
    outbox.attach(cast(WebSocket, websocket))
    return outbox, websocket


def read(theirs: socket.socket, size: int) -> bytes:
    received = b""
    with gevent.Timeout(60):
        while len(received) < size:
            received += theirs.recv(10_000)
    return received


def test_frames_within_a_moment_are_one_write(rounds: Fanout) -> None:
    ours, theirs = small_pair()
    outbox, websocket = outbox_on(rounds, ours)
    for number in range(9):
        outbox.offer(b"%d" % number)
    assert read(theirs, 9) == b"012345678"
    assert websocket.writes == 1


def test_earlier_frames_go_first(rounds: Fanout) -> None:
    ours, theirs = small_pair()
    outbox = Outbox(rounds)
    outbox.offer(b"early ")
    outbox.attach(cast(WebSocket, OpenWebSocket(ours)))
    outbox.offer(b"late")
    assert read(theirs, 10) == b"early late"


def test_a_slow_reader_gets_everything_in_order_and_delays_no_other(rounds: Fanout) -> None:
    (slow_ours, slow_theirs), (ours, theirs) = small_pair(), small_pair()
    slow, _ = outbox_on(rounds, slow_ours)
    quick, _ = outbox_on(rounds, ours)
    expected = b""
    for number in range(20):
        frame = b"%02d" % number * 10_000
        expected += frame
        slow.offer(frame)
        quick.offer(b"%02d" % number)
        assert read(theirs, 2) == b"%02d" % number
    assert read(slow_theirs, len(expected)) == expected


def test_a_client_that_does_not_read_is_cut_off(rounds: Fanout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "MAX_WAITING_BYTES", 100_000)
    ours, theirs = small_pair()
    outbox, websocket = outbox_on(rounds, ours)
    offered = 0
    with gevent.Timeout(60):
        while websocket.connected:
            outbox.offer(b"x" * 10_000)
            offered += 1
            gevent.sleep(0)
    assert offered >= 10
    outbox.offer(b"more")
    with gevent.Timeout(60):
        while theirs.recv(10_000):
            pass  # frames sent before, and then the end


def test_a_farewell_comes_after_everything_else(rounds: Fanout) -> None:
    ours, theirs = small_pair()
    outbox, _ = outbox_on(rounds, ours)
    outbox.offer(b"x" * 50_000)
    leaving = gevent.spawn(outbox.drain)
    assert read(theirs, 50_000) == b"x" * 50_000
    leaving.get()


def test_a_closed_connection_is_dropped(rounds: Fanout) -> None:
    ours, theirs = small_pair()
    outbox, websocket = outbox_on(rounds, ours)
    theirs.close()
    outbox.offer(b"x")
    with gevent.Timeout(60):
        while websocket.connected:
            gevent.sleep(0.001)


def test_a_failed_round_does_not_stop_later_ones(rounds: Fanout) -> None:
    ours, theirs = small_pair()
    outbox, _ = outbox_on(rounds, ours)
    faults = [ValueError("once")]

    def fail_once() -> None:
        if faults:
            raise faults.pop()

    rounds.before_each_round(fail_once)
    outbox.offer(b"early ")
    with gevent.Timeout(60):
        while faults:
            gevent.sleep(0.001)
    rounds.wake()
    assert read(theirs, 6) == b"early "


def test_reports_of_the_client_itself_leave_at_once_behind_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "EVERY_S", 1_000.0)
    ours, theirs = small_pair()
    outbox, _ = outbox_on(Fanout(), ours)
    outbox.offer(b"price 1, ")
    assert read(theirs, 9) == b"price 1, "
    outbox.offer(b"price 2, ")  # in the next round
    gevent.sleep(0.05)
    outbox.offer(b"report", own=True)
    assert read(theirs, 15) == b"price 2, report"
