"""The channel of candles: even after lost and late pushes, a subscriber ends with the state in Postgres."""

from __future__ import annotations

from typing import Any

import pytest

from api.wire.outgoing import candle_of
from db.connect import Database
from db.market_data import reads
from tasks.data_feed.rules.candles import CANDLE_SECONDS
from tests.api.streams.conftest import Feed, prices, settle, trades
from tests.api.streams.test_channels import subscribe, wait_for_sequence
from tests.support.feed import NOW_US, trade
from tests.support.streams import SocketIOClient, Streams

pytestmark = pytest.mark.usefixtures("market_data")

Candles = dict[tuple[str, str], dict[str, Any]]


def at(sequence: int, seconds: int, price_cents: int) -> Any:
    return trade(sequence, traded_us=NOW_US + seconds * 1_000_000, price_cents=price_cents)


def candles_of(client: SocketIOClient) -> Candles:
    """Return the candles of a client that applies every event."""
    candles: Candles = {}
    sequence = None
    for event in client.of("candles"):
        if event["type"] == "snapshot":
            candles = {}
        else:
            assert event["previous_sequence"] == sequence
        sequence = event["sequence"]
        candles |= {(candle["interval"], candle["start"]): candle for candle in event["data"]}
    return candles


def stored_candles(market_data: Database) -> Candles:
    with market_data.snapshot() as tx:
        return {
            (name, candle["start"]): {"interval": name, **candle, **_numbers(candle)}
            for name, interval_s in CANDLE_SECONDS.items()
            for candle in map(candle_of, reads.candles(tx, "MSFT", interval_s=interval_s, limit=1_000))
        }


def _numbers(candle: dict[str, Any]) -> dict[str, float]:
    return {name: float(candle[name]) for name in ("open", "high", "low", "close")}


def test_a_snapshot_and_then_what_trades_change(streams: Streams, feed: Feed, market_data: Database) -> None:
    settle(streams, feed)
    feed.publish(prices(1, 9_990, 10_010), trades(at(1, 0, 10_000), at(2, 0, 10_010)))
    early = streams.socketio()
    subscribe(early, "candles")
    wait_for_sequence(early, "candles", 2)
    for number in range(3, 30):
        feed.publish(trades(at(number, number // 3, 10_000 + number * 7 % 13)))
    late = streams.socketio()
    assert subscribe(late, "candles") == {"status": "success"}
    for number in range(30, 60):
        feed.publish(trades(at(number, number // 3, 10_000 + number * 7 % 13)))
    for client in (early, late):
        events = wait_for_sequence(client, "candles", 59)
        assert (events[0]["type"], events[0]["security_id"], events[-1]["type"]) == ("snapshot", "MSFT", "update")
        assert candles_of(client) == stored_candles(market_data)


def test_updates_that_were_not_pushed_are_read_from_postgres(
    streams: Streams, feed: Feed, market_data: Database
) -> None:
    client = streams.socketio()
    subscribe(client, "candles")
    feed.publish(prices(1, 9_990, 10_010), trades(at(1, 0, 10_000)))
    wait_for_sequence(client, "candles", 1)
    feed.store(trades(at(2, 0, 10_020), at(3, 1, 9_990)))
    feed.publish(trades(at(4, 1, 10_001)))
    wait_for_sequence(client, "candles", 4)
    feed.store(trades(at(5, 2, 10_030)))
    Feed(market_data, feed.redis_url).mend()
    wait_for_sequence(client, "candles", 5)
    feed.publish(trades(at(6, 2, 10_000)))
    wait_for_sequence(client, "candles", 6)
    assert candles_of(client) == stored_candles(market_data)


def test_candles_of_all_securities(streams: Streams, feed: Feed) -> None:
    client = streams.socketio()
    assert subscribe(client, "candles", None) == {"status": "success"}
    assert {event["security_id"] for event in client.wait_for("candles", 5)} == {"AAPL", "JPM", "MSFT", "SHEL", "TSLA"}
    assert all((event["data"], event["timestamp"]) == ([], None) for event in client.of("candles"))
    assert client.ask("unsubscribe", {"channel": "candles"}) == {"status": "success"}
