"""What is sent after a failure, and how it is cut into messages."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from celery_app.publisher import NotSent, Parcel
from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from tasks.matching.outbox import MAX_BATCH, Outbox
from tasks.messages import (
    AuctionUpdate,
    BookUpdate,
    CancelRefused,
    ExecutionBatch,
    FeedBatch,
    OrderClosed,
    OrderReplaced,
    OrderTriggered,
    PhaseChanged,
    ReplaceRefused,
    event_id,
)

BOOK = BookUpdate("MSFT", 0, 1, False, [], [], None, None, None, 1)


class Wire:
    """Takes so many messages and then none."""

    def __init__(self, takes: int = 1_000) -> None:
        self.takes = takes
        self.executions: list[ExecutionBatch] = []
        self.feeds: list[FeedBatch] = []

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            self._send(*parcel)

    def _send(self, queue: str, batch: msgspec.Struct, size: int) -> None:
        if not self.takes:
            raise NotSent(queue)
        self.takes -= 1
        if isinstance(batch, ExecutionBatch):
            assert (queue, size) == (ORDER_EXECUTION, len(batch.executions) + len(batch.securities))
            self.executions.append(batch)
        else:
            assert isinstance(batch, FeedBatch)
            told = (batch.closed, batch.refused, batch.books, batch.replaced, batch.replaces_refused, batch.triggered)
            assert (queue, size) == (DATA_FEED, sum(map(len, (*told, batch.securities, batch.auctions))))
            self.feeds.append(batch)


def closed(seq: int) -> OrderClosed:
    return OrderClosed(event_id(0, seq, 0), seq, "ANN", "MSFT", "buy", 1, 100, "cancelled", "cancelled", 1)


def phase_changed(seq: int) -> PhaseChanged:
    return PhaseChanged(event_id(0, seq, 0), "MSFT", "auction", "volatility", None, 1)


def refused(seq: int) -> CancelRefused:
    return CancelRefused(event_id(0, seq, 0), seq, "ANN", "MSFT", "unknown_order", 1)


def replaced(seq: int) -> OrderReplaced:
    return OrderReplaced(event_id(0, seq, 0), seq, 1, "ANN", "MSFT", "buy", 5, 100, 7, 100, 5, 100, 0, 1)


def replace_refused(seq: int) -> ReplaceRefused:
    return ReplaceRefused(event_id(0, seq, 0), seq, 1, "ANN", "MSFT", "buy", 0, "unknown_order", 1)


def triggered(seq: int) -> OrderTriggered:
    return OrderTriggered(event_id(0, seq, 0), 1, "ANN", "MSFT", "buy", 5, 100, 1)


def test_replacements_go_to_both_stages_and_triggered_orders_to_the_feed() -> None:
    outbox, wire = Outbox(0), Wire()
    events = [replaced(1), replace_refused(2), triggered(3), closed(4), refused(5)]
    outbox.add(events)
    outbox.send(wire, began_us=1, now_us=9)
    assert [batch.executions for batch in wire.executions] == [[events[0], events[1], events[3]]]
    (feed,) = wire.feeds
    assert (feed.replaced, feed.replaces_refused, feed.triggered) == ([events[0]], [events[1]], [events[2]])
    assert (feed.closed, feed.refused) == ([events[3]], [events[4]])


def test_many_events_are_several_messages_with_the_books_in_the_last() -> None:
    outbox, wire = Outbox(0), Wire()
    outbox.add(map(closed, range(1, 2 * MAX_BATCH + 2)))
    outbox.add_books([BOOK])
    outbox.send(wire, began_us=1, now_us=9)
    assert [len(batch.executions) for batch in wire.executions] == [MAX_BATCH, MAX_BATCH, 1]
    assert [len(feed.closed) for feed in wire.feeds] == [MAX_BATCH, MAX_BATCH, 1]
    assert [feed.books for feed in wire.feeds] == [[], [], [BOOK]]
    assert not len(outbox)


def test_only_the_feed_hears_of_refused_cancels_and_books() -> None:
    outbox, wire = Outbox(0), Wire()
    outbox.add([refused(1)])
    outbox.add_books([BOOK])
    outbox.send(wire, began_us=1, now_us=9)
    assert wire.executions == []
    assert [(feed.refused, feed.books) for feed in wire.feeds] == [([refused(1)], [BOOK])]


@pytest.mark.parametrize("takes", range(6))
def test_what_may_not_have_arrived_goes_first_next_time(takes: int) -> None:
    outbox, wire = Outbox(0), Wire(takes)
    events = [closed(seq) for seq in range(1, 2 * MAX_BATCH + 2)]
    outbox.add(events)
    outbox.add_books([BOOK])
    with pytest.raises(NotSent):
        outbox.send(wire, began_us=1, now_us=9)
    wire.takes = 1_000
    more = closed(9_999)
    outbox.add([more])
    outbox.send(wire, began_us=1, now_us=10)
    sent = [event.event_id for batch in wire.executions for event in batch.executions]
    assert list(dict.fromkeys(sent)) == [event.event_id for event in [*events, more]]
    assert [event for feed in wire.feeds for event in feed.closed] == [*events, more]
    assert [book for feed in wire.feeds for book in feed.books] == [BOOK]


def test_what_another_engine_has_published_is_dropped() -> None:
    outbox, wire = Outbox(0), Wire()
    outbox.add(map(closed, range(1, 11)))
    outbox.drop_published(7)
    outbox.send(wire, began_us=1, now_us=9)
    assert [event.order_id for event in wire.executions[0].executions] == [8, 9, 10]


def test_what_happens_to_a_security_goes_to_both_stages_and_an_auction_to_the_feed_alone() -> None:
    outbox, wire = Outbox(0), Wire()
    changed, auction = phase_changed(1), AuctionUpdate("MSFT", 100, 5, 2, "buy", 1)
    outbox.add([changed])
    outbox.add_auctions([auction])
    assert len(outbox) == 2
    outbox.send(wire, began_us=1, now_us=2)
    assert [(batch.executions, batch.securities) for batch in wire.executions] == [([], [changed])]
    assert [(feed.securities, feed.auctions) for feed in wire.feeds] == [([changed], [auction])]
    assert not len(outbox)
    outbox.add_auctions([auction])
    outbox.send(wire, began_us=1, now_us=2)
    assert len(wire.executions) == 1
