"""The channels of phases, auctions and news, over Socket.IO."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from db.connect import Database
from db.market_data import news
from tasks.messages import AuctionUpdate, FeedBatch, PhaseChanged, event_id
from tests.api.streams.conftest import Feed, settle
from tests.api.streams.test_channels import numbers, subscribe, wait_for_sequence
from tests.support.feed import NOW_US
from tests.support.streams import Streams, wait_until

pytestmark = pytest.mark.usefixtures("market_data")


def phase(number: int, name: str, *, ends_us: int | None = None) -> PhaseChanged:
    return PhaseChanged(event_id(0, number, 0), "MSFT", name, "admin", ends_us, NOW_US + number)  # type: ignore[arg-type]


def auction(number: int, price_cents: int | None, volume: int = 0, surplus: int = 0) -> AuctionUpdate:
    return AuctionUpdate("MSFT", price_cents, volume, surplus, "buy" if surplus else None, NOW_US + number)


def batch(*, securities: list[PhaseChanged] | None = None, auctions: list[AuctionUpdate] | None = None) -> FeedBatch:
    return FeedBatch("matching", NOW_US, securities=securities or [], auctions=auctions or [])


def test_phases_and_auctions_begin_with_a_snapshot_and_go_on(streams: Streams, feed: Feed) -> None:
    settle(streams, feed)
    client = streams.socketio()
    subscribe(client, "phase")
    subscribe(client, "auction")
    feed.publish(batch(securities=[phase(1, "auction", ends_us=NOW_US + 10_000_000)]))
    feed.publish(batch(auctions=[auction(2, 10_012, 30, 5)]))
    feed.publish(batch(securities=[phase(3, "continuous")], auctions=[auction(3, None)]))
    phases = wait_for_sequence(client, "phase", 2)
    assert numbers(phases) == [("snapshot", 0, 0), ("update", 0, 1), ("update", 1, 2)]
    assert [event["data"] for event in phases] == [
        {"phase": "continuous", "phase_cause": None, "phase_ends_at": None},
        {"phase": "auction", "phase_cause": "admin", "phase_ends_at": "2023-11-14T22:13:30.000000Z"},
        {"phase": "continuous", "phase_cause": "admin", "phase_ends_at": None},
    ]
    auctions = wait_for_sequence(client, "auction", 2)
    assert numbers(auctions) == [("snapshot", 0, 0), ("update", 0, 1), ("update", 1, 2)]
    nothing = {"price": None, "volume": 0, "surplus": 0, "surplus_side": None, "ends_at": None}
    assert [event["data"] for event in auctions] == [
        {"phase": "continuous", **nothing},
        {
            "phase": "auction",
            "price": 100.12,
            "volume": 30,
            "surplus": 5,
            "surplus_side": "buy",
            "ends_at": "2023-11-14T22:13:30.000000Z",
        },
        {"phase": "continuous", **nothing},
    ]
    late = streams.socketio()
    subscribe(late, "phase", None)
    wait_until(lambda: len(late.of("phase")) == 5)
    assert {(event["security_id"], event["sequence"]) for event in late.of("phase")} == {
        ("AAPL", 0),
        ("JPM", 0),
        ("MSFT", 2),
        ("SHEL", 0),
        ("TSLA", 0),
    }
    wait_until(lambda: any(beat["sequences"]["auction"] == {"MSFT": 2} for beat in client.of("heartbeat")))
    assert client.of("heartbeat")[-1]["sequences"]["phase"] == {"MSFT": 2}


def test_a_phase_that_was_not_pushed_is_read_from_postgres(streams: Streams, feed: Feed) -> None:
    settle(streams, feed)
    client = streams.socketio()
    subscribe(client, "phase")
    feed.store(batch(securities=[phase(1, "halted")]))
    feed.miss()
    events = wait_for_sequence(client, "phase", 1)
    assert (events[-1]["type"], events[-1]["data"]["phase"]) == ("snapshot", "halted")


def test_a_subscriber_to_all_securities_gets_one_that_is_listed_later(
    streams: Streams, feed: Feed, clearing_data: Database
) -> None:
    settle(streams, feed)
    client = streams.socketio()
    subscribe(client, "price", None)
    wait_until(lambda: len(client.of("price")) == 5)
    with clearing_data.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO securities (security_id, shard, tick_cents, min_price_cents, max_price_cents, "
                "issued_shares, reference_price_cents) VALUES ('ACME', 0, 1, 1, 1000000, 1, 5000)"
            )
        )
    wait_until(lambda: any(event["security_id"] == "ACME" for event in client.of("price")))


def test_news(streams: Streams, feed: Feed, market_data: Database) -> None:
    def publish(headline: str) -> int:
        with market_data.transaction() as tx:
            return news.publish(tx, headline=headline, body=None, security_id="MSFT", now_us=NOW_US).news_id

    first = publish("one")
    settle(streams, feed)
    client = streams.socketio()
    subscribe(client, "news", None)
    wait_for_sequence(client, "news", first)
    second = publish("two")
    events = wait_for_sequence(client, "news", second)
    assert (events[0]["type"], events[0]["security_id"], events[0]["previous_sequence"]) == ("snapshot", None, 0)
    assert (events[-1]["type"], events[-1]["previous_sequence"]) == ("update", first)
    assert events[-1]["data"] == [
        {
            "news_id": second,
            "headline": "two",
            "body": None,
            "security_id": "MSFT",
            "timestamp": "2023-11-14T22:13:20.000000Z",
        }
    ]
    late = streams.socketio()
    subscribe(late, "news", None)
    (whole,) = late.wait_for("news")
    assert [one["headline"] for one in whole["data"]] == ["one", "two"]
