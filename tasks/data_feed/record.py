"""Stores a batch of the feed in one transaction, and returns the rows that are new to the subscribers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from psycopg2.errors import CheckViolation, UniqueViolation
from sqlalchemy import Connection

from celery_app.clock import now_us
from db.connect import Database
from db.market_data import book_store, day_store, store
from db.statements import Statements
from tasks.data_feed.outgoing import Push, push_of
from tasks.data_feed.rules.books import changes_of
from tasks.data_feed.rules.candles import candles_of
from tasks.data_feed.rules.day import AuctionState, PhaseState, auctions_of, phases_of
from tasks.data_feed.rules.reports import reports_of
from tasks.data_feed.rules.rows import BookChange, Report, Trade
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
) -> Push:
    """Store the reports, trades, books, phases and auctions of batches, once each; return the rows that are new.

    Duplicates are rare, so the first attempt takes every row for new. A duplicate makes the COPY fail, as does a row of
    a day that was dropped; the second attempt then looks up which rows are new. It locks the heads of the clients, so
    that no other worker can store a report or a trade of theirs and make it fail.

    taken_us               when the batch began [us since 1970, UTC]
    volatility_auction_us  how long an auction lasts that the engine begins itself; None leaves its end open
    """
    covers = [(batch.stage, batch.covers) for batch in batches if batch.covers]
    reports = list(reports_of(batches))
    trades = [trade_of(made) for batch in batches for made in batch.trades]
    day = Day(phases_of(batches, volatility_auction_us=volatility_auction_us), auctions_of(batches))
    changes = changes_of(update for batch in batches for update in batch.books)
    try:
        with market_data.transaction() as tx:
            return _store(tx, covers, reports, trades, changes, day, taken_us)
    except (UniqueViolation, CheckViolation):
        with market_data.transaction() as tx:
            store.advance_heads(Statements(tx), dict.fromkeys((report.client_id for report in reports), 0))
            fresh_reports = store.without_known_reports(tx, reports)
            fresh_trades = store.without_known_trades(tx, trades)
            return _store(tx, covers, fresh_reports, fresh_trades, changes, day, taken_us)


def trade_of(made: TradeMade) -> Trade:
    """Return a trade as the public sees it."""
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
    tx: Connection,
    covers: Iterable[tuple[str, Sequence[Interval]]],
    reports: Iterable[Report],
    trades: Sequence[Trade],
    changes: Sequence[BookChange],
    day: Day,
    taken_us: int,
) -> Push:
    statements = Statements(tx)
    store.cover(statements, covers)
    numbered = store.number_reports(statements, reports)
    store.store_trades(tx, trades)
    store.merge_candles(tx, candles_of(trades))
    books = book_store.store_books(tx, changes)
    phases, auctions = day_store.store_phases(tx, day.phases), day_store.store_auctions(tx, day.auctions)
    # Last, so that their time includes the whole batch except their own COPY and the COMMIT.
    store.store_reports(tx, [*chain.from_iterable(numbered.values())], taken_us=taken_us, stored_us=now_us())
    return push_of(numbered, trades, books, phases, auctions)
