"""Redis and the streams are killed and return; clients that reconnect end with exactly the state in Postgres."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import socketio
from websocket import WebSocketException

from db.connect import Database
from db.market_data import reads
from tests.api.streams.conftest import Feed, Keys, books, trades
from tests.support.feed import book_update, trade
from tests.support.redis_server import RedisServer
from tests.support.streams import Streams, read, wait_until

CHANNELS = ("book", "trades", "report")


class Follower:
    """A client that reconnects by itself, subscribes again after each gap, and keeps its state."""

    def __init__(self, address: str, key: str) -> None:
        self.book: dict[tuple[str, float], tuple[int, int]] = {}
        self.trades: dict[int, float] = {}
        self.reports: dict[int, str] = {}
        self._sequences: dict[str, int] = {}
        self._client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.5)
        self._client.on("connect", lambda: [self._subscribe(channel) for channel in CHANNELS])
        self._client.on("book", self._take(self._take_book))
        self._client.on("trades", self._take(self._take_trades))
        self._client.on("report", self._take(self._take_reports))
        self._client.on("heartbeat", self._compare)
        self._client.connect(address, auth={"api_key": key}, transports=["websocket"])

    def close(self) -> None:
        """Close the connection, and do not reconnect."""
        self._client.disconnect()

    def _subscribe(self, channel: str) -> None:
        self._client.emit("subscribe", {"channel": channel, "security_id": "MSFT"})

    def _take(self, take: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
        def in_order(event: dict[str, Any]) -> None:
            channel = event["channel"]
            if event["type"] == "update" and event["previous_sequence"] != self._sequences.get(channel):
                self._subscribe(channel)
                return
            self._sequences[channel] = event["sequence"]
            take(event)

        return in_order

    def _take_book(self, event: dict[str, Any]) -> None:
        if event["type"] == "snapshot":
            self.book = {}
        for side in ("bids", "asks"):
            for price, quantity, orders in event["data"][side]:
                self.book[side, price] = quantity, orders
        self.book = {place: level for place, level in self.book.items() if level[0]}

    def _take_trades(self, event: dict[str, Any]) -> None:
        self.trades |= {one["sequence"]: one["price"] for one in event["data"]}

    def _take_reports(self, event: dict[str, Any]) -> None:
        self.reports |= {one["sequence"]: one["event_type"] for one in event["data"]}

    def _compare(self, beat: dict[str, Any]) -> None:
        for channel in CHANNELS:
            last = beat["sequences"].get(channel, 0)
            last = last.get("MSFT", 0) if isinstance(last, dict) else last
            if self._sequences.get(channel, last) < last:
                self._subscribe(channel)


class RawPrices:
    """A raw WebSocket client that reconnects by itself."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self.last: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ended = False
        self._thread.start()

    def close(self) -> None:
        """Close the connection, and do not reconnect."""
        self._ended = True

    def _run(self) -> None:
        while not self._ended:
            with contextlib.suppress(OSError, WebSocketException):
                stream = self._streams.raw("/stream/price")
                while not self._ended:
                    self.last = read(stream)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def feed(market_data: Database, redis: RedisServer) -> Feed:
    return Feed(market_data, redis.url)


@pytest.fixture
def streams(market_data: Database, api_keys: Keys, redis: RedisServer) -> Iterator[Streams]:
    with Streams(environment={"REDIS_URL": redis.url}) as running:
        yield running


def happen(feed: Feed, numbers: range) -> None:
    """Change books and trades, one per batch."""
    for number in numbers:
        bid_cents, ask_cents = 9_900 + number % 9, 10_000 + number % 7
        update = book_update(
            number,
            bids=[(bid_cents, number % 3, min(number % 3, 1))],
            asks=[(ask_cents, 5 + number % 5, 1)],
            bid_cents=bid_cents,
            ask_cents=ask_cents,
        )
        feed.publish(
            books(update), trades(trade(number, buyer="FLOOD", seller="GAUSS", price_cents=10_000 + number % 5))
        )


def assert_as_stored(market_data: Database, follower: Follower, raw: RawPrices, *, last: int) -> None:
    with market_data.snapshot() as tx:
        book, price = reads.book(tx, "MSFT"), reads.price(tx, "MSFT")
        stored_trades = reads.trades(tx, "MSFT", limit=1_000)
        stored_reports = reads.reports(tx, "FLOOD", limit=1_000)
    assert book is not None
    assert price is not None
    assert len(stored_trades) == last
    expected_book = {("bids", cents / 100): (quantity, orders) for cents, quantity, orders in book.bids}
    expected_book |= {("asks", cents / 100): (quantity, orders) for cents, quantity, orders in book.asks}
    wait_until(lambda: follower.book == expected_book and set(follower.reports) == set(range(1, last + 1)))
    wait_until(lambda: follower.trades == {one.sequence: one.price_cents / 100 for one in stored_trades})
    assert follower.reports == {one.sequence: one.event_type for one in stored_reports}
    wait_until(lambda: raw.last.get("sequence") == price.sequence)


@pytest.mark.parametrize("killed", ["redis", "streams", "both"])
def test_clients_that_reconnect_have_the_stored_state(
    streams: Streams, feed: Feed, redis: RedisServer, market_data: Database, api_keys: Keys, killed: str
) -> None:
    follower = Follower(f"http://127.0.0.1:{streams.port}", api_keys.flood)
    raw = RawPrices(streams)
    happen(feed, range(1, 21))
    wait_until(lambda: len(follower.trades) == len(follower.reports) == 20)
    if killed != "streams":
        redis.stop()
    happen(feed, range(21, 31))
    if killed != "redis":
        streams.kill()
    happen(feed, range(31, 41))
    if killed != "redis":
        streams.start()
    if killed != "streams":
        redis.start()
        wait_until(lambda: "redis_back" in streams.log or killed == "both")
    happen(feed, range(41, 61))
    wait_until(lambda: _mended(feed, follower))
    assert_as_stored(market_data, follower, raw, last=60)
    follower.close()
    raw.close()


def _mended(feed: Feed, follower: Follower) -> bool:
    """Do what the stage does once a second, until the last trade has arrived."""
    feed.mend()
    return 60 in follower.trades
