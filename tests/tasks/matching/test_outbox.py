"""The messages into which the outbox divides events, also after a failure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from msgspec import Raw
from msgspec.json import decode, encode

from celery_app.publisher import NotSent, Parcel
from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from tasks.matching.outbox import MAX_BATCH, Outbox
from tasks.messages import (
    AuctionUpdate,
    BookUpdate,
    CancelOrder,
    CancelRefused,
    Command,
    CommandBatch,
    ExecutionBatch,
    FeedBatch,
    OrderClosed,
    OrderReplaced,
    OrderReport,
    OrderTriggered,
    PhaseChanged,
    ReplaceRefused,
    event_id,
)
from tasks.shared.rules import coverage

BOOK = BookUpdate("MSFT", 0, 1, False, [], [], None, None, None, 1)


class Wire:
    """A RabbitMQ that takes a number of messages and then no more."""

    def __init__(self, takes: int = 1_000) -> None:
        self.takes = takes
        self.executions: list[ExecutionBatch] = []
        self.feeds: list[FeedBatch] = []
        # Of each message to the feed: the commands of which it has reports.
        self.reported: list[list[int]] = []

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            self._send(*parcel)

    def _send(self, queue: str, batch: msgspec.Struct, size: int, first: Sequence[Raw]) -> None:
        if not self.takes:
            raise NotSent(queue)
        self.takes -= 1
        if isinstance(batch, ExecutionBatch):
            assert (queue, size) == (ORDER_EXECUTION, len(batch.executions) + len(batch.securities))
            self.executions.append(batch)
        else:
            assert isinstance(batch, FeedBatch)
            lists = (batch.closed, batch.refused, batch.books, batch.replaced, batch.replaces_refused, batch.triggered)
            reported = [order.event_id for one in first for order in decode(one, type=FeedBatch).orders]
            assert queue == DATA_FEED
            assert size == sum(map(len, (*lists, batch.securities, batch.auctions, reported)))
            self.feeds.append(batch)
            self.reported.append(reported)


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
    outbox.send(wire, seq=9_999, began_us=1, now_us=9)
    assert [batch.executions for batch in wire.executions] == [[events[0], events[1], events[3]]]
    (feed,) = wire.feeds
    assert (feed.replaced, feed.replaces_refused, feed.triggered) == ([events[0]], [events[1]], [events[2]])
    assert (feed.closed, feed.refused) == ([events[3]], [events[4]])


def test_many_events_are_several_messages_with_the_books_in_the_last() -> None:
    outbox, wire = Outbox(0), Wire()
    outbox.add(map(closed, range(1, 2 * MAX_BATCH + 2)))
    outbox.add_books([BOOK])
    outbox.send(wire, seq=9_999, began_us=1, now_us=9)
    assert [len(batch.executions) for batch in wire.executions] == [MAX_BATCH, MAX_BATCH, 1]
    assert [len(feed.closed) for feed in wire.feeds] == [MAX_BATCH, MAX_BATCH, 1]
    assert [feed.books for feed in wire.feeds] == [[], [], [BOOK]]
    assert not len(outbox)


def test_refused_cancels_and_books_go_to_the_feed_alone() -> None:
    outbox, wire = Outbox(0), Wire()
    outbox.add([refused(1)])
    outbox.add_books([BOOK])
    outbox.send(wire, seq=9_999, began_us=1, now_us=9)
    assert wire.executions == []
    assert [(feed.refused, feed.books) for feed in wire.feeds] == [([refused(1)], [BOOK])]


@pytest.mark.parametrize("takes", range(6))
def test_unconfirmed_events_go_first_next_time(takes: int) -> None:
    outbox, wire = Outbox(0), Wire(takes)
    events = [closed(seq) for seq in range(1, 2 * MAX_BATCH + 2)]
    outbox.add(events)
    outbox.add_books([BOOK])
    with pytest.raises(NotSent):
        outbox.send(wire, seq=9_999, began_us=1, now_us=9)
    wire.takes = 1_000
    more = closed(9_999)
    outbox.add([more])
    outbox.send(wire, seq=9_999, began_us=1, now_us=10)
    sent = [event.event_id for batch in wire.executions for event in batch.executions]
    assert list(dict.fromkeys(sent)) == [event.event_id for event in [*events, more]]
    assert [event for feed in wire.feeds for event in feed.closed] == [*events, more]
    assert [book for feed in wire.feeds for book in feed.books] == [BOOK]


def commands(first_seq: int, count: int) -> CommandBatch:
    """Return a message with reports of its commands, each under the command's number."""
    cancels: list[Command] = [CancelOrder(seq, "ANN", "MSFT", 1, 1) for seq in range(first_seq, first_seq + count)]
    orders = [
        OrderReport(seq, "cancel", "confirmed", 1, "ANN", "MSFT", None, None, None, None, 1, 1)
        for seq in range(first_seq, first_seq + count)
    ]
    return CommandBatch(0, first_seq, cancels, [Raw(encode(FeedBatch("order_entry", 1, orders=orders)))])


def test_reports_of_commands_travel_ahead_of_their_events() -> None:
    outbox, wire = Outbox(0), Wire()
    for first_seq, count in ((1, 2), (3, 1), (1, 1)):
        outbox.add_reports(commands(first_seq, count))
    outbox.add_reports(CommandBatch(0, 4, []))  # from before messages had reports
    outbox.add([closed(1), refused(3)])
    assert len(outbox) == 3 + 2
    outbox.send(wire, seq=4, began_us=1, now_us=9)
    assert wire.reported == [[1, 2, 3, 1]]
    assert [(len(feed.closed), len(feed.refused), len(feed.covers)) for feed in wire.feeds] == [(1, 1, 1)]
    assert not len(outbox)


def test_reports_alone_are_a_message() -> None:
    outbox, wire = Outbox(0), Wire()
    outbox.add_reports(commands(1, 3))
    outbox.send(wire, seq=3, began_us=1, now_us=9)
    assert wire.executions == []
    assert wire.reported == [[1, 2, 3]]
    assert wire.feeds[0].covers == [coverage.commands(0, 1, 4)]


@pytest.mark.parametrize("takes", range(7))
def test_many_reports_are_several_messages_and_events_go_with_the_last(takes: int) -> None:
    outbox, wire = Outbox(0), Wire(takes)
    batches = [commands(1, MAX_BATCH), commands(MAX_BATCH + 1, 2), commands(MAX_BATCH + 3, MAX_BATCH - 2)]
    events = [closed(seq) for seq in range(1, 2 * MAX_BATCH + 1)]
    for batch in batches:
        outbox.add_reports(batch)
    outbox.add(events)
    outbox.add_books([BOOK])
    last = 2 * MAX_BATCH
    try:
        outbox.send(wire, seq=last, began_us=1, now_us=9)
    except NotSent:
        wire.takes = 1_000
        for batch in batches:  # the worker tries the messages again
            outbox.add_reports(batch)
        outbox.send(wire, seq=last, began_us=1, now_us=9)
    reported = [number for of_message in wire.reported for number in of_message]
    assert list(dict.fromkeys(reported)) == list(range(1, last + 1))
    assert max(map(len, wire.reported)) == MAX_BATCH
    assert [event for feed in wire.feeds for event in feed.closed] == events
    first = next(place for place, of_message in enumerate(wire.reported) if 1 in of_message)
    assert not any(feed.closed for feed in wire.feeds[: first + 1])
    covered = coverage.merged(interval for feed in wire.feeds for interval in feed.covers)
    assert covered == [coverage.commands(0, 1, last + 1)]
    assert [book for feed in wire.feeds for book in feed.books] == [BOOK]


def test_events_that_another_engine_has_published_are_dropped() -> None:
    outbox, wire = Outbox(0), Wire()
    outbox.add(map(closed, range(1, 11)))
    outbox.drop_published(7)
    outbox.send(wire, seq=9_999, began_us=1, now_us=9)
    assert [event.order_id for event in wire.executions[0].executions] == [8, 9, 10]


def test_events_of_securities_go_to_both_stages_and_auctions_to_the_feed_alone() -> None:
    outbox, wire = Outbox(0), Wire()
    changed, auction = phase_changed(1), AuctionUpdate("MSFT", 100, 5, 2, "buy", 1)
    outbox.add([changed])
    outbox.add_auctions([auction])
    assert len(outbox) == 2
    outbox.send(wire, seq=9_999, began_us=1, now_us=2)
    assert [(batch.executions, batch.securities) for batch in wire.executions] == [([], [changed])]
    assert [(feed.securities, feed.auctions) for feed in wire.feeds] == [([changed], [auction])]
    assert not len(outbox)
    outbox.add_auctions([auction])
    outbox.send(wire, seq=9_999, began_us=1, now_us=2)
    assert len(wire.executions) == 1


# -- what the messages cover ---------------------------------------------------------------------------------------


def assert_contiguous(batches: Sequence[ExecutionBatch | FeedBatch], *, begin: int, end: int) -> None:
    """Check that the batches cover the events from one to another without a gap."""
    covers = [interval for batch in batches for interval in batch.covers]
    assert [first for first, _ in covers] == [begin, *(last for _, last in covers[:-1])]
    assert covers[-1][1] == end


def test_the_messages_of_each_queue_cover_all_events_without_a_gap() -> None:
    outbox, wire = Outbox(0, published_seq=3), Wire()
    outbox.add(map(closed, range(4, 2 * MAX_BATCH + 10)))
    outbox.send(wire, seq=2 * MAX_BATCH + 20, began_us=1, now_us=9)
    outbox.add([refused(5_000)])
    outbox.send(wire, seq=5_001, began_us=1, now_us=9)
    outbox.add([closed(5_010)])
    outbox.send(wire, seq=5_010, began_us=1, now_us=9)
    for batches in (wire.executions, wire.feeds):
        assert_contiguous(batches, begin=event_id(0, 4, 0), end=event_id(0, 5_011, 0))
    for batch in wire.executions:
        (covers,) = batch.covers
        assert all(covers[0] <= event.event_id < covers[1] for event in batch.executions)


def test_a_message_may_end_within_a_command() -> None:
    outbox, wire = Outbox(0), Wire()
    events = [
        OrderClosed(event_id(0, 1, n), n + 1, "A", "MSFT", "buy", 1, 1, "cancelled", "x", 1) for n in range(3_000)
    ]
    outbox.add(events)
    outbox.send(wire, seq=1, began_us=1, now_us=9)
    assert [batch.covers for batch in wire.executions] == [
        [(event_id(0, 1, 0), event_id(0, 1, MAX_BATCH))],
        [(event_id(0, 1, MAX_BATCH), event_id(0, 2, 0))],
    ]


def test_a_stretch_without_events_for_a_queue_is_covered_once() -> None:
    outbox, wire = Outbox(0), Wire()
    outbox.add_books([BOOK])
    outbox.send(wire, seq=7, began_us=1, now_us=9)
    assert wire.executions == []
    outbox.cover(wire, now_us=9)
    outbox.cover(wire, now_us=9)
    assert wire.executions == [ExecutionBatch(0, 9, [], [(event_id(0, 1, 0), event_id(0, 8, 0))])]
    assert len(wire.feeds) == 1  # which had its books
    outbox.send(wire, seq=9, began_us=1, now_us=9)  # commands without events
    outbox.cover(wire, now_us=9)
    for batches in (wire.executions, wire.feeds):
        assert_contiguous(batches, begin=event_id(0, 1, 0), end=event_id(0, 10, 0))


def test_unconfirmed_events_are_covered_again() -> None:
    outbox, wire = Outbox(0), Wire(1)
    outbox.add([closed(1)])
    with pytest.raises(NotSent):
        outbox.send(wire, seq=1, began_us=1, now_us=9)
    wire.takes = 10
    outbox.send(wire, seq=1, began_us=1, now_us=9)
    assert [batch.covers for batch in wire.executions] == [[(event_id(0, 1, 0), event_id(0, 2, 0))]] * 2
    assert_contiguous(wire.feeds, begin=event_id(0, 1, 0), end=event_id(0, 2, 0))


def test_events_that_another_engine_has_published_are_not_covered() -> None:
    outbox, wire = Outbox(0), Wire()
    outbox.add(map(closed, range(1, 11)))
    outbox.drop_published(7)
    outbox.send(wire, seq=10, began_us=1, now_us=9)
    assert_contiguous(wire.executions, begin=event_id(0, 8, 0), end=event_id(0, 11, 0))
