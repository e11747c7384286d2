"""The rows that a batch stores, and those that it pushes; the database is real."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db import coverage as covered
from db.connect import Database
from db.market_data import reads
from tasks.data_feed.record import record
from tasks.data_feed.rules.rows import Price, Report
from tasks.messages import AuctionUpdate, FeedBatch, PhaseChanged, SecuritySettled, event_id
from tasks.shared.rules import coverage
from tests.support.feed import NOW_US, book_update, flow_of, lasting, pushed, trade
from tests.tasks.data_feed.rules.test_reports import entry_report

_price_of = msgspec.json.Decoder(Price).decode
_reports_of = msgspec.json.Decoder(list[Report]).decode


def matching(**lists: object) -> FeedBatch:
    return FeedBatch("matching", NOW_US, **lists)


def test_a_batch_that_is_delivered_again_changes_and_pushes_nothing(market_data: Database) -> None:
    batches = flow_of(3, units=4).batches
    assert record(market_data, batches, taken_us=1).is_news
    with market_data.snapshot() as tx:
        before = lasting(tx)
    assert not record(market_data, batches, taken_us=2).is_news
    with market_data.snapshot() as tx:
        assert lasting(tx) == before
        assert tx.execute(text("SELECT max(taken_us) FROM reports")).scalar_one() == 1


def test_the_new_rows_of_a_partly_known_batch_are_stored_and_pushed(market_data: Database) -> None:
    record(market_data, [matching(trades=[trade(1)])], taken_us=1)
    push = pushed(market_data, [matching(trades=[trade(1), trade(2)])], taken_us=2)
    assert [(entry.about, entry.previous_sequence, entry.sequence) for entry in push.trades] == [("MSFT", 1, 2)]
    assert {(entry.about, entry.previous_sequence, entry.sequence) for entry in push.reports} == {
        ("ANN", 1, 2),
        ("BOB", 1, 2),
    }
    assert {report.order_id for entry in push.reports for report in _reports_of(entry.data)} == {4, 5}


def test_a_price_update_only_when_a_price_changed(market_data: Database) -> None:
    def price(sequence: int, bid_cents: int | None, ask_cents: int | None) -> list[Price]:
        update = book_update(sequence, bid_cents=bid_cents, ask_cents=ask_cents)
        return [_price_of(entry.data) for entry in pushed(market_data, [matching(books=[update])], taken_us=1).prices]

    assert price(1, None, None) == []
    assert price(2, 9_990, None) == [Price("MSFT", 1, 9_990, None, None, NOW_US + 2)]
    assert price(3, 9_990, None) == []
    assert price(4, 9_990, 10_010) == [Price("MSFT", 2, 9_990, 10_010, None, NOW_US + 4)]
    with market_data.snapshot() as tx:
        assert reads.price(tx, "MSFT") == Price("MSFT", 2, 9_990, 10_010, None, NOW_US + 4)


def test_prices_of_an_older_update_are_ignored(market_data: Database) -> None:
    record(market_data, [matching(books=[book_update(9, bid_cents=9_990)])], taken_us=1)
    late = pushed(market_data, [matching(books=[book_update(8, bid_cents=9_000)])], taken_us=1)
    assert late.prices == []
    with market_data.snapshot() as tx:
        price = reads.price(tx, "MSFT")
    assert price is not None
    assert price.bid_cents == 9_990


def test_a_message_about_securities_and_auctions_is_stored_and_covered(market_data: Database) -> None:
    phase = PhaseChanged(event_id(0, 2, 0), "MSFT", "auction", "schedule", NOW_US, NOW_US)
    settled = SecuritySettled(event_id(0, 3, 0), "MSFT", 10_000, NOW_US)
    auction = AuctionUpdate("MSFT", 10_000, 5, 1, "buy", NOW_US)
    covers = [coverage.commands(0, 1, 9)]
    batch = matching(trades=[trade(1)], securities=[phase, settled], auctions=[auction], covers=covers)
    push = pushed(market_data, [batch], taken_us=1)
    assert [entry.about for entry in push.trades] == ["MSFT"]
    with market_data.snapshot() as tx:
        assert covered.read(tx) == {("matching", 0): covers}


def test_a_batch_with_an_invalid_value_stores_nothing(market_data: Database) -> None:
    """No stage sends such a message: the feed handles the messages one by one, and it becomes a dead letter."""
    bad = entry_report(security_id="MS\x00FT")
    with pytest.raises((ValueError, DBAPIError)):
        record(market_data, [matching(trades=[trade(1)]), FeedBatch("order_entry", NOW_US, orders=[bad])], taken_us=1)
    with market_data.snapshot() as tx:
        assert not any(lasting(tx).values())
