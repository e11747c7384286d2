"""Reports and trades from before narrow rows read the same afterwards, and go back unchanged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import astuple, replace
from sqlalchemy import text

from celery_app.settings import settings
from db import migrate
from db.connect import Database, copy_rows
from db.market_data import reads
from tasks.data_feed.record import record, trade_of
from tasks.data_feed.rules.reports import reports_of
from tasks.data_feed.rules.rows import Report, Trade
from tests.db.test_migrate import scratch_url
from tests.support.databases import drop_database
from tests.support.feed import CLIENTS, assert_numbered, flow_of

MARKET_DATA = migrate.MARKET_DATA_MIGRATIONS
DAY_US = 86_400_000_000


@pytest.fixture
def url() -> Iterator[str]:
    assert settings().market_data_url
    url = scratch_url("narrow")
    drop_database(url)
    migrate.upgrade(url, MARKET_DATA, "0007")
    yield url
    drop_database(url)


def filled(database: Database, seed: int) -> tuple[list[Report], Trade]:
    """Store a flow as the feed did before narrow rows, over days; return it without one trade, and that trade."""
    flow = flow_of(seed, units=12)
    heads: dict[str, int] = defaultdict(int)
    reports, trades = [], []
    for number, batch in enumerate(flow.batches):
        for report in reports_of([batch]):
            heads[report.client_id] += 1
            report.sequence = heads[report.client_id]
            # Two messages in three have the same times, as parts of one batch of the engine have.
            report.sent_us += number // 3
            report.stored_us = report.sent_us + number // 9 * DAY_US // 4
            report.taken_us = report.stored_us - 1 if number % 5 else None
            report.asked_us = report.event_us + 7 if report.event_type == "order" and number % 2 else None
            reports.append(report)
        trades += [trade_of(made) for made in batch.trades]
    missing = trades.pop()  # of a settlement that came first
    reports = [one for one in reports if one.report_id != missing.event_id]
    of_client: dict[str, int] = defaultdict(int)
    for report in reports:
        of_client[report.client_id] += 1
        report.sequence = of_client[report.client_id]
    with database.transaction() as tx:
        copy_rows(tx, "reports", Report.__struct_fields__, reports)
        copy_rows(tx, "trades", Trade.__struct_fields__, trades)
        copy_rows(tx, "report_heads", ("client_id", "sequence"), list(of_client.items()))
    return reports, missing


def stored(database: Database) -> tuple[list[Any], list[Any]]:
    with database.snapshot() as tx:
        columns = ", ".join(Report.__struct_fields__)
        reports = tx.execute(text(f"SELECT {columns} FROM reports ORDER BY client_id, sequence")).all()
        trades = tx.execute(text("SELECT * FROM trades ORDER BY security_id, sequence")).all()
    return [tuple(row) for row in reports], [tuple(row) for row in trades]


@pytest.mark.parametrize("seed", [1, 2])
def test_reports_and_trades_read_as_before(url: str, seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    database = Database(url)
    reports, missing = filled(database, seed)
    before = stored(database)
    assert before[0] == sorted(map(astuple, reports), key=lambda row: (row[4], row[12]))
    migrate.upgrade(url, MARKET_DATA)
    assert f"{len(reports)} reports move" in capfd.readouterr().err
    assert stored(database) == before
    with database.snapshot() as tx:
        for client_id in CLIENTS:
            mine = [one for one in reports if one.client_id == client_id]
            assert reads.reports(tx, client_id, limit=10_000) == mine[::-1]
            assert reads.reports(tx, client_id, before=9, limit=5) == mine[3:8][::-1]
            assert reads.reports_after(tx, client_id, after=3, limit=7) == mine[3:10]
        for order_id in {one.order_id for one in reports}:
            about = [one for one in reports if one.order_id == order_id]
            last = max(about, key=lambda one: (one.stored_us, one.sequence))
            found = reads.last_report(tx, last.security_id, order_id, client_id=last.client_id)
            assert found is not None
            assert found == last
    # What is delivered again is not stored again, and what was missing is.
    for batch in flow_of(seed, units=12).batches:
        # A settlement from before narrow rows that came before its trade does not have the trade's number.
        settled = [one for one in batch.settled if one.event_id != missing.event_id]
        record(database, [replace(batch, settled=settled)], taken_us=1)
    with database.snapshot() as tx:
        assert_numbered(tx)
        assert tx.execute(text("SELECT count(*) FROM reports")).scalar_one() == len(reports) + 2
    database.engine.dispose()


def test_narrow_rows_go_back_unchanged(url: str) -> None:
    database = Database(url)
    filled(database, 3)
    before = stored(database)
    migrate.upgrade(url, MARKET_DATA)
    migrate.downgrade(url, MARKET_DATA, "0007")
    assert stored(database) == before
    database.engine.dispose()


def test_dropped_days_stay_dropped(url: str) -> None:
    database = Database(url)
    with database.transaction() as tx:
        tx.execute(
            text("INSERT INTO dropped VALUES ('reports', 1000, 1, 5, 9, '{77}'), ('trades', 900, 1, 2, 9, '{}')")
        )
        tx.execute(text("INSERT INTO dropped_sequences VALUES ('reports', 'ANN', 5)"))
    migrate.upgrade(url, MARKET_DATA)
    with database.snapshot() as tx:
        rows = tx.execute(text("SELECT table_name, max(before), max(denied) FROM dropped GROUP BY 1 ORDER BY 1")).all()
        floors = tx.execute(text("SELECT conname FROM pg_constraint WHERE conname LIKE '%floor' ORDER BY 1"))
        assert floors.scalars().all() == ["order_reports_floor", "settlement_reports_floor", "trade_reports_floor"]
    assert [tuple(row) for row in rows] == [
        ("order_reports", 1000, [77]),
        ("settlement_reports", 1000, []),
        ("trade_reports", 1000, []),
    ]
    database.engine.dispose()
