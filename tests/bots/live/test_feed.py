"""The feed turns events of the channels phase, auction and news into a session's events."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec

from bots.client.channels import ChannelEvent
from bots.contract import Auction, NewsItem, PhaseChange, Report
from bots.live.feed import Feed, FeedEvent
from bots.live.inbox import Inbox


def no_reports(_after: int) -> list[Report]:
    return []


def heard(
    feed: Feed,
    channel: str,
    data: Any,
    *,
    kind: Literal["snapshot", "update"] = "update",
    security_id: str | None = "MSFT",
) -> list[FeedEvent]:
    raw = msgspec.Raw(msgspec.json.encode(data))
    event = ChannelEvent(
        channel=channel,
        security_id=security_id,
        type=kind,
        sequence=1,
        previous_sequence=0,
        timestamp="2026-01-01T00:00:00Z",
        data=raw,
    )
    return list(feed.hear(event))


def test_a_phase_is_delivered_from_the_snapshot_on() -> None:
    data = {"phase": "auction", "phase_cause": "volatility", "phase_ends_at": "2026-01-01T00:00:10Z"}
    expected = PhaseChange(
        security_id="MSFT",
        phase="auction",
        phase_cause="volatility",
        phase_ends_at="2026-01-01T00:00:10Z",
        timestamp="2026-01-01T00:00:00Z",
    )
    feed = Feed(no_reports)
    assert heard(feed, "phase", data, kind="snapshot") == [expected]
    assert heard(feed, "phase", data) == [expected]


def test_the_inbox_keeps_only_the_newest_auction_of_each_security_and_all_phases() -> None:
    feed, inbox = Feed(no_reports), Inbox()
    for price, volume in (("99.50", 3), ("99.60", 4)):
        for event in heard(feed, "auction", {"price": price, "volume": volume, "surplus": 1, "surplus_side": "buy"}):
            inbox.put(event)
    for phase in ("auction", "continuous"):
        for event in heard(feed, "phase", {"phase": phase}):
            inbox.put(event)
    *phases, auction = inbox.take(0.0)
    assert [one.phase for one in phases if isinstance(one, PhaseChange)] == ["auction", "continuous"]
    assert auction == Auction(security_id="MSFT", price=Decimal("99.60"), volume=4, surplus=1, surplus_side="buy")
    assert inbox.take(0.0) == []


def test_news_is_delivered_once_and_after_a_gap_from_the_snapshot() -> None:
    def item(number: int) -> dict[str, Any]:
        return {"news_id": number, "headline": f"number {number}"}

    def delivered(data: Any, kind: Literal["snapshot", "update"]) -> list[int | str]:
        events = heard(feed, "news", data, kind=kind, security_id=None)
        return [event.news_id for event in events if isinstance(event, NewsItem)]

    feed = Feed(no_reports)
    assert delivered([item(1)], "snapshot") == []
    assert delivered(item(2), "update") == [2]
    assert delivered([item(4), item(3), item(2), item(1)], "snapshot") == [3, 4]
    assert delivered(item(4), "update") == []
