"""Socket.IO, with a client library that is not ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from redis import Redis

from api.streams.sockets.socketio_rooms import MAX_WAITING_PACKETS
from celery_app.settings import settings
from db.connect import Database
from db.market_data import reads
from tasks.data_feed.outgoing import channel_of
from tests.api.streams.conftest import Feed, Keys, books, prices, settle, trades
from tests.support.feed import book_update, trade
from tests.support.streams import Refused, SocketIOClient, Streams, wait_until

pytestmark = pytest.mark.usefixtures("market_data")


def subscribe(client: SocketIOClient, channel: str, security_id: str | None = "MSFT") -> dict[str, Any]:
    return client.ask("subscribe", {"channel": channel, "security_id": security_id})


def numbers(events: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """Return types and sequences; a snapshot repeated after a read from Postgres counts once."""
    sent = [(event["type"], event["previous_sequence"], event["sequence"]) for event in events]
    return [one for number, one in enumerate(sent) if one[0] == "update" or one[2] not in {e[2] for e in sent[:number]}]


def wait_for_sequence(client: SocketIOClient, channel: str, sequence: int) -> list[dict[str, Any]]:
    """Wait until an event of a channel has this sequence, and return its events."""
    wait_until(lambda: any(event["sequence"] == sequence for event in client.of(channel)))
    return client.of(channel)


@pytest.mark.parametrize("transports", [("polling",), ("websocket",), ("polling", "websocket")])
def test_a_channel_begins_with_a_snapshot_and_goes_on(
    streams: Streams, feed: Feed, transports: tuple[str, ...]
) -> None:
    settle(streams, feed)
    feed.publish(prices(1, 9_983, 10_049))
    client = streams.socketio(transports=transports)
    wait_until(lambda: client.of("heartbeat") != [] and client.of("heartbeat")[-1]["sequences"]["price"] == {"MSFT": 1})
    assert subscribe(client, "price") == {"status": "success"}
    feed.publish(prices(2, 9_984, None))
    events = wait_for_sequence(client, "price", 2)
    assert numbers(events) == [("snapshot", 0, 1), ("update", 1, 2)]
    first, second = events[0], events[-1]
    assert (first["channel"], first["security_id"]) == ("price", "MSFT")
    assert first["data"] == {"bid": 99.83, "ask": 100.49, "last": None}
    assert second["data"] == {"bid": 99.84, "ask": None, "last": None}
    assert first["timestamp"] == "2023-11-14T22:13:20.000001Z"
    client.close()


def test_book(streams: Streams, feed: Feed, market_data: Database) -> None:
    settle(streams, feed)
    client = streams.socketio()
    subscribe(client, "book")
    feed.publish(books(book_update(1, bids=[(9_990, 5, 1), (9_980, 7, 2)], asks=[(10_010, 1, 1)])))
    feed.publish(books(book_update(2, bids=[(9_990, 0, 0)]), book_update(3, bids=[(9_985, 4, 1)])))
    events = wait_for_sequence(client, "book", 3)
    assert numbers(events) == [("snapshot", 0, 0), ("update", 0, 1), ("update", 1, 3)]
    assert events[-1]["data"] == {"bids": [[99.9, 0, 0], [99.85, 4, 1]], "asks": []}
    late = streams.socketio()
    subscribe(late, "book")
    (whole,) = late.wait_for("book")
    assert numbers([whole]) == [("snapshot", 0, 3)]
    with market_data.snapshot() as tx:
        stored = reads.book(tx, "MSFT")
    assert stored is not None
    assert whole["data"]["bids"] == [[cents / 100, quantity, orders] for cents, quantity, orders in stored.bids]


def test_a_book_with_something_missing_is_read_from_postgres(streams: Streams, feed: Feed) -> None:
    client = streams.socketio()
    subscribe(client, "book")
    feed.publish(books(book_update(1, bids=[(9_990, 5, 1)])))
    wait_for_sequence(client, "book", 1)
    feed.store(books(book_update(2, bids=[(9_980, 7, 2)])))
    feed.publish(books(book_update(3, bids=[(9_970, 1, 1)])))
    wait_for_sequence(client, "book", 3)
    assert numbers(client.of("book"))[-1][0] == "snapshot"
    assert client.of("book")[-1]["data"]["bids"] == [[99.9, 5, 1], [99.8, 7, 2], [99.7, 1, 1]]


def test_a_level_that_is_stored_late_is_sent(streams: Streams, feed: Feed) -> None:
    """Of two workers of the feed, the one that stores first pushes last."""
    settle(streams, feed)
    client = streams.socketio()
    subscribe(client, "book")
    feed.publish(books(book_update(1, bids=[(9_990, 5, 1)])))
    wait_for_sequence(client, "book", 1)
    feed.publish(books(book_update(3, bids=[(9_970, 1, 1)])))
    wait_for_sequence(client, "book", 3)
    late = feed.store(books(book_update(2, bids=[(9_980, 7, 2)])))
    assert ([book.sequence for book in late.books.books], late.books.changes) == ([3], [])
    feed.publish(books(book_update(4, bids=[(9_960, 2, 1)])))
    wait_for_sequence(client, "book", 4)
    feed.push(late)
    whole = [[99.9, 5, 1], [99.8, 7, 2], [99.7, 1, 1], [99.6, 2, 1]]
    wait_until(lambda: client.of("book")[-1]["data"]["bids"] == whole)
    assert numbers(client.of("book"))[-1][2] == 4


def test_trades_without_names(streams: Streams, feed: Feed) -> None:
    client = streams.socketio()
    subscribe(client, "trades")
    feed.publish(trades(trade(1), trade(2, price_cents=10_001)))
    wait_for_sequence(client, "trades", 2)
    sent = client.of("trades")[-1]["data"]
    assert [(one["trade_id"], one["price"], one["sequence"]) for one in sent] == [
        ("0-1-0", 100.0, 1),
        ("0-2-0", 100.01, 2),
    ]
    assert "ANN" not in str(client.of("trades"))


def test_all_securities_at_once(streams: Streams, feed: Feed) -> None:
    client = streams.socketio()
    assert subscribe(client, "price", None) == {"status": "success"}
    assert {event["security_id"] for event in client.wait_for("price", 5)} == {"AAPL", "JPM", "MSFT", "SHEL", "TSLA"}
    assert all(event["timestamp"] is None for event in client.of("price"))


def test_reports_are_those_of_the_keys_client(streams: Streams, feed: Feed, api_keys: Keys) -> None:
    feed.publish(trades(trade(1, buyer="FLOOD", seller="GAUSS")))
    flood, gauss = streams.socketio({"api_key": api_keys.flood}), streams.socketio({"api_key": api_keys.gauss})
    admin, stranger = streams.socketio({"api_key": api_keys.admin}), streams.socketio()
    assert subscribe(stranger, "report")["status"] == 401
    for client in (flood, gauss, admin):
        assert subscribe(client, "report") == {"status": "success"}
        # A client cannot join a room by naming it.
        assert client.ask("subscribe", {"channel": "report", "client_id": "FLOOD"})["status"] == 422
        assert client.ask("subscribe", {"channel": "report:FLOOD"})["status"] == 422
    feed.publish(trades(trade(2, buyer="FLOOD", seller="ANN")))
    feed.publish(trades(trade(3, buyer="FLOOD", seller="GAUSS")))
    assert numbers(wait_for_sequence(flood, "report", 3)) == [("snapshot", 0, 1), ("update", 1, 2), ("update", 2, 3)]
    assert numbers(wait_for_sequence(gauss, "report", 2)) == [("snapshot", 0, 1), ("update", 1, 2)]
    assert {one["client_id"] for event in flood.of("report") for one in event["data"]} == {"FLOOD"}
    assert {one["client_id"] for event in gauss.of("report") for one in event["data"]} == {"GAUSS"}
    everyones = [one for event in admin.wait_for("report", 5) for one in event["data"]]
    assert sorted(one["client_id"] for one in everyones) == ["ANN", "FLOOD", "FLOOD", "GAUSS"]
    assert stranger.of("report") == []
    wait_until(lambda: {"report": 3} in [beat["sequences"] for beat in flood.of("heartbeat")])


def test_unsubscribe(streams: Streams, feed: Feed) -> None:
    client = streams.socketio()
    subscribe(client, "price")
    subscribe(client, "book")
    assert client.ask("unsubscribe", {"channel": "price", "security_id": "MSFT"}) == {"status": "success"}
    before = len(client.of("price"))
    feed.publish(prices(1, 9_983, 10_049))
    wait_for_sequence(client, "book", 1)
    assert len(client.of("price")) == before


@pytest.mark.parametrize(
    "auth", [{"api_key": "wrong"}, {"api_key": 5}, {"api_key": ["x"]}, {"api_key": ""}, {"api_key": "\ud800"}]
)
def test_31_a_wrong_key_does_not_connect(idle_streams: Streams, auth: object) -> None:
    with pytest.raises(Refused) as refused:
        idle_streams.socketio(auth)
    ((refusal,),) = refused.value.args
    assert (refusal["data"]["status"], refusal["data"]["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    "fields", [{"Authorization": "Basic x"}, {"Authorization": "Bearer a, Bearer b"}, {"X-API-Key": "a b"}]
)
def test_31_header_fields_without_a_key_do_not_connect(idle_streams: Streams, fields: dict[str, str]) -> None:
    """Streams read keys as the api does: a malformed key is refused, not treated as missing."""
    with pytest.raises(Refused) as refused:
        idle_streams.socketio(fields=fields)
    ((refusal,),) = refused.value.args
    assert (refusal["data"]["status"], refusal["data"]["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("auth", [None, {}, {"api_key": None}, "text", 5, ["x"]])
def test_31_public_channels_need_no_key(idle_streams: Streams, auth: object) -> None:
    client = idle_streams.socketio(auth)
    assert subscribe(client, "price") == {"status": "success"}
    assert subscribe(client, "report")["code"] == "unauthorized"
    client.close()


@pytest.mark.parametrize(
    ("event", "sent", "code"),
    [
        ("subscribe", {"channel": "candles", "security_id": "NONE"}, "unknown_security"),
        ("subscribe", {"channel": "prices"}, "unknown_channel"),
        ("subscribe", {"channel": "\ud800"}, "unknown_channel"),
        ("subscribe", {"channel": "__class__"}, "unknown_channel"),
        ("subscribe", {"channel": "price", "security_id": "NONE"}, "unknown_security"),
        ("subscribe", {"channel": "price", "security_id": "<script>"}, "unknown_security"),
        ("subscribe", {"channel": "price", "security_id": 5}, "validation_error"),
        ("subscribe", {"channel": "price", "room": "report:FLOOD"}, "validation_error"),
        ("subscribe", {"security_id": "MSFT"}, "validation_error"),
        ("subscribe", {}, "validation_error"),
        ("subscribe", None, "validation_error"),
        ("subscribe", 5, "validation_error"),
        ("subscribe", "price", "validation_error"),
        ("subscribe", [["price"]], "validation_error"),
        ("subscribe", b"\x80\x02", "validation_error"),
        ("unsubscribe", 5, "validation_error"),
        ("nonsense", {"channel": "price"}, "unknown_event"),
        ("price", {"channel": "price"}, "unknown_event"),
    ],
)
def test_31_refused_with_a_problem(idle_streams: Streams, event: str, sent: object, code: str) -> None:
    client = idle_streams.socketio()
    answer = client.ask(event, sent)
    assert (answer["code"], answer["status"] in {401, 422}) == (code, True)
    assert subscribe(client, "price") == {"status": "success"}
    client.close()


def test_wrong_number_of_arguments(idle_streams: Streams) -> None:
    client = idle_streams.socketio()
    assert client.ask("subscribe")["code"] == "validation_error"
    assert client.ask("subscribe", {"channel": "price"}, {"channel": "book"})["code"] == "validation_error"
    client.close()


@pytest.mark.parametrize("transports", [("polling",), ("websocket",)])
def test_31_a_message_that_is_too_large_and_the_others_hear_on(
    streams: Streams, feed: Feed, transports: tuple[str, ...]
) -> None:
    speaker, silent = streams.socketio(transports=transports), streams.socketio()
    subscribe(silent, "price")
    speaker.emit("subscribe", {"channel": "x" * 1_048_576})
    wait_until(lambda: not speaker.connected)
    feed.publish(prices(1, 9_983, 10_049))
    wait_for_sequence(silent, "price", 1)


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"junk",
        b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",
        b"5",
        b"null",
        b"{}",
        b'{"method": "emit", "event": "price", "data": "x", "namespace": "/"}',
        b'{"prices": [5]}',
        b'{"prices": [["MSFT", "update", 0, 1, 1, {"bid": "<script>"}]]}',
        b'{"reports": [["FLOOD", "update", 0, 1, 1, []]]}',
        b'{"trades": [["MSFT", "update", 0, 1, 1, []]]}',
        b"[" * 100_000,
    ],
)
def test_36_junk_on_the_channel_is_ignored(streams_with_junk: tuple[Streams, SocketIOClient], junk: bytes) -> None:
    streams, client = streams_with_junk
    redis = Redis.from_url(settings().redis_url.get_secret_value())
    before = [event for event in client.of("price") if event["type"] == "update"]
    assert redis.publish(channel_of(redis), junk) >= 1
    client.wait_for("heartbeat", len(client.of("heartbeat")) + 2)
    assert streams.runs
    assert client.connected
    assert [event for event in client.of("price") if event["type"] == "update"] == before


@pytest.fixture(scope="module")
def streams_with_junk() -> Iterator[tuple[Streams, SocketIOClient]]:
    with Streams() as running:
        client = running.socketio()
        subscribe(client, "price")
        yield running, client


def test_36_after_junk_the_feed_goes_on(streams: Streams, feed: Feed) -> None:
    client = streams.socketio()
    subscribe(client, "price")
    redis = Redis.from_url(settings().redis_url.get_secret_value())
    for junk in (b"junk", b"5", b"[" * 1_000):
        redis.publish(channel_of(redis), junk)
    feed.publish(prices(1, 9_983, 10_049))
    wait_for_sequence(client, "price", 1)


def test_a_client_that_stops_polling_is_cut_off_and_delays_no_other(streams: Streams, feed: Feed) -> None:
    eager = streams.socketio()
    subscribe(eager, "price")
    address = f"http://127.0.0.1:{streams.port}/socket.io/?EIO=4&transport=polling"
    opened = json.loads(requests.get(address, timeout=10).text.removeprefix("0"))
    lazy = f"{address}&sid={opened['sid']}"
    for packet in ("40", '42["subscribe",{"channel":"price"}]'):
        assert requests.post(lazy, data=packet, timeout=10).status_code == 200
    for number in range(1, MAX_WAITING_PACKETS + 2):
        feed.publish(prices(number, 1 + number % 2, 10_049))
    wait_until(lambda: "subscriber_cut_off" in streams.log)
    assert requests.get(lazy, timeout=10).status_code == 400
    wait_for_sequence(eager, "price", MAX_WAITING_PACKETS + 1)
