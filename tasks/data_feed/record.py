"""Stores a batch of the feed in one transaction, and returns the rows that are new to the subscribers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from psycopg2.errors import CheckViolation, UniqueViolation

from celery_app.clock import now_us
from db.connect import Database
from db.market_data import book_store, day_store, report_store, store
from db.market_data.book_store import BookHead
from db.market_data.report_store import Fresh, Stored
from db.statements import Statements, one_transaction
from tasks.data_feed.outgoing import News
from tasks.data_feed.rules.books import changes_of
from tasks.data_feed.rules.candles import candles_of
from tasks.data_feed.rules.day import AuctionState, PhaseState, auctions_of, phases_of
from tasks.data_feed.rules.reports import reports_of
from tasks.data_feed.rules.rows import BookChange, Trade
from tasks.data_feed.rules.stored import Rows, by_client, count_by_client, number, rows_of, trade_row, trades_by_event
from tasks.messages import FeedBatch, TradeMade
from tasks.shared.rules.coverage import Interval


class Day(NamedTuple):
    """The phases and auctions of a batch."""

    phases: list[PhaseState]
    auctions: list[AuctionState]


def record(
    market_data: Database,
    batches: Sequence[FeedBatch],
    *,
    taken_us: int,
    volatility_auction_us: int | None = None,
) -> News:
    """Store the reports, trades, books, phases and auctions of batches, once each; return the rows that are new.

    Duplicates are rare, so the first attempt assumes that every row is new. A duplicate makes the COPY fail, and so
    does a row of a day that was dropped; the second attempt then looks up which rows are new. It locks the heads of the
    clients, so that no other worker can store a report or a trade of theirs and make it fail.

    taken_us               when the batch began [us since 1970, UTC]
    volatility_auction_us  length of an auction that the engine begins itself; None leaves its end open
    """
    covers = [(batch.stage, batch.covers) for batch in batches if batch.covers]
    messages = [list(reports_of([batch])) for batch in batches]
    trades = trades_by_event(batches)
    day = Day(phases_of(batches, volatility_auction_us=volatility_auction_us), auctions_of(batches))
    changes = changes_of(update for batch in batches for update in batch.books)
    try:
        with one_transaction(market_data) as statements:
            return _store(statements, covers, Fresh(messages, set()), trades, changes, day, taken_us)
    except report_store.NewNames as new:
        report_store.add_names(market_data, new)
        return record(market_data, batches, taken_us=taken_us, volatility_auction_us=volatility_auction_us)
    except (UniqueViolation, CheckViolation):
        with one_transaction(market_data) as statements:
            report_store.lock_heads(statements, count_by_client(messages))
            statements.run()
            fresh = report_store.without_known(statements.tx, messages, trades)
            return _store(statements, covers, fresh, trades, changes, day, taken_us)


def trade_of(made: TradeMade) -> Trade:
    """Return the public form of a trade."""
    return Trade(
        security_id=made.security_id,
        sequence=made.sequence,
        event_id=made.event_id,
        price_cents=made.price_cents,
        quantity=made.quantity,
        aggressor_side=made.aggressor_side,
        traded_us=made.traded_us,
    )


def _store(
    statements: Statements,
    covers: Iterable[tuple[str, Sequence[Interval]]],
    fresh: Fresh,
    trades: Mapping[int, TradeMade],
    changes: Sequence[BookChange],
    day: Day,
    taken_us: int,
) -> News:
    store.cover(statements, covers)
    stored, books = _number(statements, fresh, trades, changes)
    made = [trade_of(trades[row.event_id]) for row in stored.rows.trades]
    store.merge_candles(statements, candles_of(made))
    changed = book_store.store_books(statements, books, changes)
    phases, auctions = _store_day(statements, day)
    # Last, so that their time includes the whole batch except their own COPY and the COMMIT.
    report_store.store(statements, stored, fresh, taken_us=taken_us, stored_us=now_us())
    return News(by_client(fresh.messages), made, changed, phases, auctions)


def _store_day(statements: Statements, day: Day) -> Day:
    """Store phases and auctions, which few batches have; return those that changed."""
    if not (day.phases or day.auctions):
        return day
    statements.run()
    return Day(day_store.store_phases(statements.tx, day.phases), day_store.store_auctions(statements.tx, day.auctions))


def _number(
    statements: Statements, fresh: Fresh, trades: Mapping[int, TradeMade], changes: Sequence[BookChange]
) -> tuple[Stored, dict[str, BookHead]]:
    """Number reports and lock books; return the rows of the reports, and the heads of the books."""
    counts = count_by_client(fresh.messages)
    books = {change.security_id for change in changes}
    if not counts and not books:
        return Stored(Rows([], [], []), [], [], []), {}
    reported = [report for of_message in fresh.messages for report in of_message]
    traded = {report.report_id for report in reported if report.event_type == "trade"}
    settled = {-report.report_id for report in reported if report.event_type == "settlement"}
    numbers, absent, heads = report_store.number(
        statements,
        counts=counts,
        securities={report.security_id for report in reported},
        settled=[trades[event_id] for event_id in settled - traded],
        stamps=len(fresh.messages) if counts else 0,
        books=books,
        now_us=now_us(),
    )
    if not counts:
        return Stored(Rows([], [], []), [], [], []), heads
    runs = number(fresh.messages, numbers, counts)
    unreported = [trade_row(trades[event_id], numbers, None, None, None) for event_id in sorted(absent)]
    return Stored(rows_of(fresh.messages, numbers, trades), unreported, runs, numbers.stamps), heads
