"""A batch of the feed in halves says what it said, whatever it holds."""

from __future__ import annotations

import msgspec
import pytest

from tasks.data_feed.rules.halves import halves_of
from tasks.data_feed.rules.reports import reports_of
from tasks.messages import FeedBatch, TradeFailed
from tasks.shared.rules import coverage
from tests.support.feed import NOW_US, book_update, flow_of, trade


def pieces_of(batch: FeedBatch) -> list[FeedBatch]:
    """What cannot be divided any further, in its order."""
    halves = halves_of(batch)
    return [batch] if halves is None else [piece for half in halves for piece in pieces_of(half)]


@pytest.mark.parametrize("number", range(30))
def test_the_pieces_say_what_the_whole_said(number: int) -> None:
    whole = flow_of(5, units=10).batches[number]
    pieces = pieces_of(whole)
    # In the order of the events, in which the whole says it only where an order got other terms.
    said = sorted(reports_of([whole]), key=lambda report: report.report_id)
    assert sorted(reports_of(pieces), key=lambda report: report.report_id) == said
    assert [book for piece in pieces for book in piece.books] == whole.books
    assert [trade for piece in pieces for trade in piece.trades] == whole.trades
    for piece in pieces:
        told = [one for one in msgspec.structs.astuple(piece)[2:] if isinstance(one, list)]
        assert sum(map(len, told)) <= 3  # an event that two lists name, or one with its time


def test_events_cover_their_share() -> None:
    covers = [coverage.commands(0, 1, 10)]
    failed = [TradeFailed(trade(4), "account_closed")]
    whole = FeedBatch("order_execution", NOW_US, settled=[trade(2), trade(7)], failed=failed, covers=covers)
    pieces = pieces_of(whole)
    assert [len(piece.settled) + len(piece.failed) for piece in pieces] == [1, 1, 1]
    assert coverage.merged(one for piece in pieces for one in piece.covers) == covers


def test_what_lost_its_place_in_the_log_covers_nothing() -> None:
    whole = FeedBatch("matching", NOW_US, trades=[trade(1)], books=[book_update(1)], covers=[(1, 9)])
    assert [piece.covers for piece in pieces_of(whole)] == [[], []]
