from __future__ import annotations

import gevent
import pytest
from gevent import socket
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from api.streams.sockets import websocket
from api.streams.sockets.websocket import _WholeWrites, text_frame

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 200_000)


@pytest.mark.parametrize("size", SIZES)
def test_a_client_reads_the_frame_as_the_text_it_was(size: int) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(text_frame(b"x" * size))
    events = list(client.events())
    assert all(isinstance(event, TextMessage) for event in events)
    assert "".join(event.data for event in events) == "x" * size
    assert events[-1].message_finished


def test_frames_one_behind_the_other() -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(b"".join(text_frame(b"%d" % number) for number in range(100)))
    assert [event.data for event in client.events()] == [str(number) for number in range(100)]


def small_pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    for one in (ours, theirs):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    return ours, theirs


def test_writes_are_whole_and_do_not_mix() -> None:
    ours, theirs = small_pair()
    whole = _WholeWrites(ours)
    writers = [gevent.spawn(whole.send, letter * 100_000) for letter in (b"a", b"b", b"c")]
    received = b""
    while len(received) < 300_000:
        received += theirs.recv(10_000)
        gevent.sleep(0)
    gevent.joinall(writers, raise_error=True)
    assert received == b"a" * 100_000 + b"b" * 100_000 + b"c" * 100_000


def test_a_client_that_reads_too_slowly_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "WRITE_S", 0.1)
    ours, theirs = small_pair()
    with pytest.raises(TimeoutError, match="too slowly"):
        _WholeWrites(ours).sendall(b"x" * 1_000_000)
    while theirs.recv(100_000):
        pass  # frames sent before, and then the end


def test_bytes_the_kernel_did_not_take_go_first() -> None:
    ours, theirs = small_pair()
    whole = _WholeWrites(ours)
    assert whole.send_now(b"1" * 100)
    assert not whole.send_now(b"2" * 100_000), "the peer does not read"
    assert not whole.send_now(b"3" * 100), "something waits"
    writer = gevent.spawn(whole.send, b"4" * 100)
    received = b""
    while len(received) < 100_300:
        received += theirs.recv(10_000)
    writer.get()
    assert received == b"1" * 100 + b"2" * 100_000 + b"3" * 100 + b"4" * 100
    assert whole.send_now(b"5")


def test_frames_wait_for_the_write_under_way() -> None:
    ours, theirs = small_pair()
    whole = _WholeWrites(ours)
    writer = gevent.spawn(whole.send, b"1" * 100_000)
    gevent.sleep(0)
    assert not whole.send_now(b"2" * 100)
    received = b""
    while len(received) < 100_000:
        received += theirs.recv(10_000)
    writer.get()
    whole.sendall(b"")
    assert (received + theirs.recv(1_000)) == b"1" * 100_000 + b"2" * 100


def test_a_closed_connection_is_noticed() -> None:
    ours, theirs = small_pair()
    whole = _WholeWrites(ours)
    theirs.close()
    with pytest.raises(OSError, match=r"pipe|reset"):
        whole.send_now(b"1")
