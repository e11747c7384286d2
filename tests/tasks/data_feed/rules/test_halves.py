"""The halves of a batch of the feed report what the batch reported, whatever it contains."""

from __future__ import annotations

import msgspec
import pytest

from tasks.data_feed.rules.halves import halves_of
from tasks.data_feed.rules.reports import reports_of
from tasks.messages import (
    AuctionUpdate,
    FeedBatch,
    PhaseChanged,
    SecurityEvent,
    SecuritySettled,
    TradeFailed,
    event_id,
)
from tasks.shared.rules import coverage
from tests.support.feed import NOW_US, book_update, flow_of, trade


def pieces_of(batch: FeedBatch) -> list[FeedBatch]:
    """Return the indivisible pieces of a batch, in their order."""
    halves = halves_of(batch)
    return [batch] if halves is None else [piece for half in halves for piece in pieces_of(half)]


@pytest.mark.parametrize("number", range(30))
def test_the_pieces_report_what_the_whole_reported(number: int) -> None:
    whole = flow_of(5, units=10).batches[number]
    pieces = pieces_of(whole)
    # In the order of the events, which the whole batch follows only where an order got new terms.
    said = sorted(reports_of([whole]), key=lambda report: report.report_id)
    assert sorted(reports_of(pieces), key=lambda report: report.report_id) == said
    assert [book for piece in pieces for book in piece.books] == whole.books
    assert [trade for piece in pieces for trade in piece.trades] == whole.trades
    for piece in pieces:
        lists = [one for one in msgspec.structs.astuple(piece)[2:] if isinstance(one, list)]
        assert sum(map(len, lists)) <= 3  # an event in two lists, or a report with its time


def test_events_cover_their_share() -> None:
    covers = [coverage.commands(0, 1, 10)]
    failed = [TradeFailed(trade(4), "account_closed")]
    whole = FeedBatch("order_execution", NOW_US, settled=[trade(2), trade(7)], failed=failed, covers=covers)
    pieces = pieces_of(whole)
    assert [len(piece.settled) + len(piece.failed) for piece in pieces] == [1, 1, 1]
    assert coverage.merged(one for piece in pieces for one in piece.covers) == covers


def test_pieces_without_a_place_in_the_log_cover_nothing() -> None:
    whole = FeedBatch("matching", NOW_US, trades=[trade(1)], books=[book_update(1)], covers=[(1, 9)])
    assert [piece.covers for piece in pieces_of(whole)] == [[], []]


def phase_changed(seq: int) -> PhaseChanged:
    return PhaseChanged(event_id(0, seq, 0), "MSFT", "auction", "schedule", NOW_US, NOW_US)


def test_each_security_event_and_auction_is_in_one_piece() -> None:
    phases = [phase_changed(2), phase_changed(5)]
    settled = SecuritySettled(event_id(0, 6, 0), "MSFT", 10_000, NOW_US)
    auctions = [AuctionUpdate(name, 10_000, 5, 1, "buy", NOW_US) for name in ("AAPL", "MSFT", "TSLA")]
    covers = [coverage.commands(0, 1, 9)]
    whole = FeedBatch(
        "matching", NOW_US, trades=[trade(3)], securities=[*phases, settled], auctions=auctions, covers=covers
    )
    pieces = pieces_of(whole)
    assert [one for piece in pieces for one in piece.securities] == [*phases, settled]
    assert [one for piece in pieces for one in piece.auctions] == auctions
    assert [len(piece.trades) + len(piece.securities) + len(piece.auctions) for piece in pieces] == [1] * 7


def test_security_events_cover_their_share() -> None:
    phases: list[SecurityEvent] = [phase_changed(2), phase_changed(5)]
    covers = [coverage.commands(0, 1, 9)]
    pieces = pieces_of(FeedBatch("matching", NOW_US, securities=phases, covers=covers))
    assert [piece.securities for piece in pieces] == [phases[:1], phases[1:]]
    assert coverage.merged(interval for piece in pieces for interval in piece.covers) == covers


def test_whole_books_and_auctions_without_events_are_divided() -> None:
    auctions = [AuctionUpdate("MSFT", None, 0, 0, None, NOW_US)]
    pieces = pieces_of(FeedBatch("matching", NOW_US, books=[book_update(1), book_update(2)], auctions=auctions))
    assert [(len(piece.books), len(piece.auctions)) for piece in pieces] == [(1, 0), (1, 0), (0, 1)]
