"""Batches that the stages send to the feed for a flow of orders, and the rows of `market_data` that must follow."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from db.connect import Database
from tasks.data_feed.outgoing import Push
from tasks.data_feed.record import record
from tasks.matching.rules.engine import Engine
from tasks.messages import (
    BookUpdate,
    CancelOrder,
    CancelRefused,
    FeedBatch,
    OrderClosed,
    OrderReplaced,
    OrderReport,
    OrderTriggered,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRefused,
    TradeMade,
    event_id,
)

NOW_US = 1_700_000_000_000_000
CLIENTS = ("ANN", "BOB", "CID", "DOT")
SECURITIES = ("MSFT", "TSLA")


def pushed(market_data: Database, batches: Sequence[FeedBatch], **options: Any) -> Push:
    """Store batches; return what is pushed if all reports have readers."""
    return record(market_data, batches, **options).push(lambda _: True)


@dataclass
class Flow:
    """Batches for the feed in the order of the stages, and the engine that made the trades."""

    engine: Engine = field(default_factory=lambda: Engine(0))
    batches: list[FeedBatch] = field(default_factory=list)

    @property
    def trades(self) -> list[TradeMade]:
        """Return all trades."""
        return [trade for batch in self.batches for trade in batch.trades]

    def books(self) -> list[BookUpdate]:
        """Return every level of every book of the engine."""
        return self.engine.book_snapshots()


def flow_of(seed: int, *, units: int, orders_a_unit: int = 8, snapshot_at: int | None = None) -> Flow:
    """Make a flow of orders, stop orders, cancels and replacements around one price, so that many trade.

    snapshot_at  the batch after which the engine sends whole books, as it does when it starts
    """
    chance = random.Random(seed)
    flow = Flow()
    placed: list[PlaceOrder] = []
    number = 0
    for unit in range(units):
        events: list[Any] = []
        reports: list[OrderReport] = []
        for _ in range(orders_a_unit):
            number += 1
            now_us = NOW_US + number * 250_000
            client, security = chance.choice(CLIENTS), chance.choice(SECURITIES)
            if number > 5 and chance.random() < 0.2:
                order_id = chance.randrange(1, number)
                reports.append(_report(number, "cancel", order_id, client, security, now_us))
                events += flow.engine.apply(number, CancelOrder(number, client, security, order_id, now_us))
                continue
            if len(placed) > 5 and chance.random() < 0.2:
                order = chance.choice(placed[-20:])
                target = order.client_id, order.security_id, order.order_id
                terms = chance.randrange(1, 12), 10_000 + chance.randrange(-6, 7)
                reports.append(_report(number, "replace", order.order_id, order.client_id, order.security_id, now_us))
                replace = ReplaceOrder(number, *target, order.side, *terms, 0, 0, now_us)
                events += flow.engine.apply(number, replace)
                continue
            stop = chance.random() < 0.1
            place = PlaceOrder(
                order_id=number,
                client_id=client,
                security_id=security,
                type="stop_limit" if stop else "limit",
                side=chance.choice(("buy", "sell")),
                quantity=chance.randrange(1, 10),
                price_cents=10_000 + chance.randrange(-6, 7),
                time_in_force=chance.choice(("gtc", "gtc", "ioc")),
                post_only=False,
                sequenced_us=now_us,
                stop_price_cents=10_000 + chance.randrange(-6, 7) if stop else None,
            )
            placed.append(place)
            reports.append(_report(number, "order", number, client, security, now_us, place))
            events += flow.engine.apply(number, place)
        trades = [event for event in events if isinstance(event, TradeMade)]
        sent_us = NOW_US + number * 250_000 + 7
        flow.batches += [
            FeedBatch("order_entry", sent_us, orders=reports),
            FeedBatch(
                "matching",
                sent_us,
                trades=trades,
                closed=[event for event in events if isinstance(event, OrderClosed)],
                refused=[event for event in events if isinstance(event, CancelRefused)],
                replaced=[event for event in events if isinstance(event, OrderReplaced)],
                replaces_refused=[event for event in events if isinstance(event, ReplaceRefused)],
                triggered=[event for event in events if isinstance(event, OrderTriggered)],
                books=flow.engine.book_snapshots() if unit == snapshot_at else flow.engine.book_updates(),
            ),
            FeedBatch("order_execution", sent_us, settled=trades),
        ]
    return flow


def _report(
    number: int, request: Any, order_id: int, client: str, security: str, now_us: int, place: PlaceOrder | None = None
) -> OrderReport:
    return OrderReport(
        event_id=number,
        request=request,
        status="confirmed",
        order_id=order_id,
        client_id=client,
        security_id=security,
        side=place.side if place else None,
        quantity=place.quantity if place else None,
        price_cents=place.price_cents if place else None,
        reason=None,
        received_us=now_us - 5,
        reported_us=now_us,
    )


def trade(sequence: int, **changed: Any) -> TradeMade:
    """Return a trade in which ANN buys from BOB."""
    fields: dict[str, Any] = {
        "event_id": event_id(0, sequence, 0),
        "security_id": "MSFT",
        "sequence": sequence,
        "price_cents": 10_000,
        "quantity": 5,
        "aggressor_side": "buy",
        "buy_order_id": 2 * sequence,
        "buyer": "ANN",
        "buy_hold_cents": 10_010,
        "sell_order_id": 2 * sequence + 1,
        "seller": "BOB",
        "traded_us": NOW_US + sequence,
    }
    return TradeMade(**fields | changed)


def book_update(sequence: int, *, previous: int | None = None, **changed: Any) -> BookUpdate:
    """Return an empty update of the book of MSFT."""
    fields: dict[str, Any] = {
        "security_id": "MSFT",
        "previous_sequence": sequence - 1 if previous is None else previous,
        "sequence": sequence,
        "snapshot": False,
        "bids": [],
        "asks": [],
        "bid_cents": None,
        "ask_cents": None,
        "last_cents": None,
        "updated_us": NOW_US + sequence,
    }
    return BookUpdate(**fields | changed)


# Columns that do not depend on the order of the batches.
_LASTING = {
    "reports": "SELECT order_id, report_id, event_type, confirmed, client_id, security_id, side, quantity, "
    "price_cents, reason, event_us, sent_us FROM reports ORDER BY order_id, report_id",
    "report_heads": "SELECT client_id, sequence FROM report_heads ORDER BY client_id",
    "trades": "SELECT * FROM trades ORDER BY security_id, sequence",
    "candles": "SELECT * FROM candles ORDER BY security_id, interval_s, start_s",
    "books": "SELECT security_id, update_sequence, floor_sequence, bid_cents, ask_cents, last_cents, updated_us "
    "FROM books ORDER BY security_id",
    "book_levels": "SELECT * FROM book_levels ORDER BY security_id, side, price_cents",
}


def lasting(tx: Connection) -> dict[str, Sequence[Any]]:
    """Return the rows of `market_data` without the numbers that depend on the order of storing."""
    return {table: tx.execute(text(rows)).all() for table, rows in _LASTING.items()}


def assert_numbered(tx: Connection) -> None:
    """Check that each client's reports and each security's prices count from 1 without a gap, as their heads say."""
    for client_id, head in tx.execute(text("SELECT client_id, sequence FROM report_heads")).all():
        numbers = tx.execute(
            text("SELECT sequence FROM reports WHERE client_id = :client_id ORDER BY sequence"),
            {"client_id": client_id},
        )
        assert numbers.scalars().all() == list(range(1, head + 1))
    for book in tx.execute(text("SELECT * FROM books")).all():
        prices = tx.execute(
            text("SELECT * FROM prices WHERE security_id = :security_id ORDER BY sequence"),
            {"security_id": book.security_id},
        ).all()
        assert [price.sequence for price in prices] == list(range(1, book.price_sequence + 1))
        if prices:
            assert prices[-1][2:5] == (book.bid_cents, book.ask_cents, book.last_cents)


def empty(tx: Connection) -> None:
    """Delete all rows of reports, trades, candles, books and prices."""
    for table in (
        *("order_reports", "settlement_reports", "trade_reports", "report_runs", "report_stamps"),
        *("report_heads", "candles", "books", "book_levels", "prices"),
    ):
        tx.execute(text(f"DELETE FROM {table}"))


@contextmanager
def reports_as_table(database: Database) -> Iterator[None]:
    """Inside the block `reports` is a table with the rows of the view, so that a test can change single reports."""
    with database.transaction() as tx:
        tx.execute(text("ALTER VIEW reports RENAME TO stored_reports"))
        tx.execute(text("CREATE TABLE reports AS SELECT * FROM stored_reports"))
    try:
        yield
    finally:
        with database.transaction() as tx:
            tx.execute(text("DROP TABLE reports"))
            tx.execute(text("ALTER VIEW stored_reports RENAME TO reports"))
