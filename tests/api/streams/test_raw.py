from __future__ import annotations

import socket
import time
from contextlib import suppress

import pytest
from websocket import ABNF, WebSocketBadStatusException

from api.wire.outgoing import time_of
from tests.api.streams.conftest import Feed, Keys, prices, trades
from tests.support.feed import NOW_US, trade
from tests.support.streams import Streams, read, read_all, read_until_cut_off, wait_until

pytestmark = pytest.mark.usefixtures("market_data")


def between_flood_and_gauss(number: int):
    return trade(number, buyer="FLOOD", seller="GAUSS")


def test_prices_begin_with_the_last_ones_and_go_on(streams: Streams, feed: Feed) -> None:
    feed.publish(prices(1, 9_983, 10_049), prices(1, 20_000, 20_001, security_id="TSLA"))
    everything, only_tesla = streams.raw("/stream/price"), streams.raw("/stream/price?security_id=TSLA")
    first = {read(everything)["security_id"]: 1 for _ in range(2)}
    assert first == {"MSFT": 1, "TSLA": 1}
    assert read(only_tesla)["bid"] == 200.0
    feed.publish(prices(2, 9_984, 10_049))
    assert read(everything) == {
        "security_id": "MSFT",
        "bid": 99.84,
        "ask": 100.49,
        "timestamp": str(NOW_US // 1_000_000),
        "time": time_of(NOW_US + 2),
        "sequence": 2,
    }
    assert read_all(only_tesla) == []


def test_prices_of_one_side_are_not_sent(streams: Streams, feed: Feed) -> None:
    stream = streams.raw("/stream/price")
    feed.publish(prices(1, 9_983, None))
    feed.publish(prices(2, None, 10_049))
    feed.publish(prices(3, 10_049, 10_049))
    feed.publish(prices(4, 9_983, 10_049))
    assert [(message["bid"], message["sequence"]) for message in read_all(stream)] == [(99.83, 4)]


@pytest.mark.parametrize("how", ["bearer", "x-api-key", "parameter"])
def test_reports_go_to_their_client_only(streams: Streams, feed: Feed, api_keys: Keys, how: str) -> None:
    match how:
        case "bearer":
            mine = streams.raw("/stream/report", header=[f"Authorization: Bearer {api_keys.flood}"])
        case "x-api-key":
            mine = streams.raw("/stream/report", header=[f"X-API-Key: {api_keys.flood}"])
        case _:
            mine = streams.raw(f"/stream/report?api_key={api_keys.flood}")
    everyones = streams.raw(f"/stream/report?api_key={api_keys.admin}")
    feed.publish(trades(between_flood_and_gauss(1)))
    feed.publish(trades(between_flood_and_gauss(2)))
    reports = read_all(mine)
    assert [(report["client_id"], report["sequence"]) for report in reports] == [("FLOOD", 1), ("FLOOD", 2)]
    original = {
        "event_type": "trade",
        "status": "confirmed",
        "order_id": 2,
        "client_id": "FLOOD",
        "security_id": "MSFT",
        "side": "buy",
        "quantity": 5,
        "price": 100.0,
        "reason": None,
        "sequence": 1,
    }
    assert original.items() <= reports[0].items()
    assert sorted(report["client_id"] for report in read_all(everyones)) == ["FLOOD", "FLOOD", "GAUSS", "GAUSS"]


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        ("/stream/report", [], 401),
        ("/stream/report?api_key=", [], 401),
        ("/stream/report?api_key=wrong", [], 401),
        ("/stream/report?api_key=%00%ff", [], 401),
        ("/stream/report?api_key=REVOKED", [], 401),
        ("/stream/report", ["Authorization: Basic wrong"], 401),
        ("/stream/report", ["Authorization: Bearer wrong", "Authorization: Bearer wrong"], 401),
        ("/stream/price?security_id=NONE", [], 422),
        ("/stream/price?security_id=%00", [], 422),
        ("/stream/price?securityid=MSFT", [], 422),
        ("/stream/report?cancel_on_disconect=true", [], 422),
        ("/stream/nothing", [], 404),
        ("/stream/price/", [], 404),
        ("/stream/price", ["Sec-WebSocket-Version: 7"], 400),
    ],
)
def test_31_refused_with_a_problem(
    idle_streams: Streams, api_keys: Keys, path: str, header: list[str], status: int
) -> None:
    with pytest.raises(WebSocketBadStatusException) as refused:
        idle_streams.raw(path.replace("REVOKED", api_keys.revoked), header=header)
    assert refused.value.status_code == status
    assert refused.value.resp_headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"hello", ABNF.OPCODE_TEXT),
        (b'{"subscribe": "everything"}', ABNF.OPCODE_TEXT),
        (b"\x80\x02", ABNF.OPCODE_BINARY),
        (b"x" * 1_048_576, ABNF.OPCODE_TEXT),
    ],
)
def test_31_a_client_that_sends_is_refused_and_the_others_go_on(
    streams: Streams, feed: Feed, content: bytes, kind: int
) -> None:
    silent, speaker = streams.raw("/stream/price"), streams.raw("/stream/price")
    with suppress(ConnectionError):  # cut off before it has sent everything
        speaker.send(content, kind)
    read_until_cut_off(speaker)
    feed.publish(prices(1, 9_983, 10_049))
    assert read(silent)["sequence"] == 1


def test_31_bytes_that_are_no_websocket_frames(streams: Streams, feed: Feed) -> None:
    silent, speaker = streams.raw("/stream/price"), streams.raw("/stream/price")
    speaker.sock.sendall(b"\xff" * 4_096)
    read_until_cut_off(speaker)
    feed.publish(prices(1, 9_983, 10_049))
    assert read(silent)["sequence"] == 1


def test_a_ping_is_answered(streams: Streams) -> None:
    stream = streams.raw("/stream/price")
    stream.ping(b"there?")
    opcode, content = stream.recv_data(control_frame=True)
    assert (opcode, content) == (ABNF.OPCODE_PONG, b"there?")


def test_a_slow_reader_is_cut_off_and_delays_no_other(streams: Streams, feed: Feed, api_keys: Keys) -> None:
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)]
    slow = streams.raw(f"/stream/report?api_key={api_keys.admin}", sockopt=options)
    quick = streams.raw(f"/stream/report?api_key={api_keys.flood}")
    number = 0
    while "subscriber_cut_off" not in streams.log:
        assert number < 100_000, "it was never cut off"
        batch = [between_flood_and_gauss(n) for n in range(number + 1, number + 2_001)]
        number += 2_000
        feed.publish(trades(*batch))
        started = time.monotonic()
        assert [read(quick)["sequence"] for _ in batch] == list(range(number - 1_999, number + 1))
        assert time.monotonic() - started < 15.0
    read_until_cut_off(slow)


def test_a_client_that_leaves_is_forgotten(streams: Streams, feed: Feed) -> None:
    for _ in range(20):
        streams.raw("/stream/price").shutdown()
    stays = streams.raw("/stream/price")
    feed.publish(prices(1, 9_983, 10_049))
    assert read(stays)["sequence"] == 1
    wait_until(lambda: _open_sockets(streams) <= 2)


def _open_sockets(streams: Streams) -> int:
    import psutil

    assert streams._process is not None
    connections = psutil.Process(streams._process.pid).net_connections("tcp")
    return sum(1 for one in connections if one.laddr.port == streams.port and one.status != "LISTEN")
