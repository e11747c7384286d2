"""Partitions are created ahead of their day and dropped when old; neither loses rows or stores them twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from db.connect import Database
from db.market_data import partitions, reads
from db.market_data.partitions import AHEAD_DAYS, DAILY, InUse
from tasks.data_feed.record import record
from tasks.messages import FeedBatch
from tests.support.databases import own_market_data
from tests.support.feed import NOW_US, book_update, pushed, trade

DAY_US = 86_400_000_000
TODAY_US = NOW_US - NOW_US % DAY_US


@pytest.fixture
def market_data() -> Iterator[Database]:
    with own_market_data() as database:
        yield database


def parts_of(database: Database, table: str) -> dict[str, int]:
    """Return the partitions of a table that are not empty, and their rows."""
    with database.snapshot() as tx:
        rows = tx.execute(
            text(f"SELECT CAST(CAST(tableoid AS regclass) AS text), count(*) FROM {table} GROUP BY 1 ORDER BY 1")
        )
        return {row[0]: row[1] for row in rows}


def store(database: Database, sequence: int, at_us: int, *, settled: bool = False) -> bool:
    """Store a trade and the book after it; return whether anything was new."""
    made = trade(sequence, traded_us=at_us)
    book = book_update(sequence, bid_cents=9_000 + sequence, updated_us=at_us)
    batch = FeedBatch("matching", at_us, trades=[made], books=[book], settled=[made] if settled else [])
    return record(database, [batch], taken_us=at_us).is_news


def drop_all(database: Database, *, before_us: int) -> int:
    with database.snapshot() as tx:
        old = partitions.old(tx, before_us=before_us)
    return sum(partitions.drop(database, part, now_us=NOW_US, patience_s=60.0) for part in old)


def test_partitions_are_created_ahead_and_once(market_data: Database) -> None:
    assert partitions.create_ahead(market_data, now_us=NOW_US) == []
    for day in range(AHEAD_DAYS + 1):
        store(market_data, day + 1, TODAY_US + day * DAY_US)
    for table in ("trade_reports", "prices"):
        assert list(parts_of(market_data, table)) == [f"{table}_202311{14 + day}" for day in range(AHEAD_DAYS + 1)]
    assert list(parts_of(market_data, "candles_1s")) == [
        f"candles_1s_202311{14 + day}" for day in range(AHEAD_DAYS + 1)
    ]
    assert partitions.create_ahead(market_data, now_us=NOW_US) == []


def test_rows_of_a_day_without_a_partition_move_there_later(market_data: Database) -> None:
    store(market_data, 1, NOW_US)
    assert parts_of(market_data, "trade_reports") == {"trade_reports_default": 1}
    assert partitions.create_ahead(market_data, now_us=NOW_US) == []
    assert parts_of(market_data, "trade_reports") == {"trade_reports_20231114": 1}
    assert not store(market_data, 1, NOW_US)


def test_many_rows_stay_in_the_default_partition(market_data: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "MOST_MOVED_ROWS", 1)
    for sequence in (1, 2):
        record(market_data, [FeedBatch("matching", NOW_US, trades=[trade(sequence)])], taken_us=1)
    assert partitions.create_ahead(market_data, now_us=NOW_US) == ["trade_reports_20231114"]
    assert parts_of(market_data, "trade_reports") == {"trade_reports_default": 2}


def test_no_transaction_waits_while_a_partition_cannot_be_created(market_data: Database) -> None:
    with market_data.transaction() as reader:
        reader.execute(text("SELECT FROM trade_reports_default"))
        missing = partitions.create_ahead(market_data, now_us=NOW_US)
        assert [name for name in missing if not name.startswith("trade_reports_")] == []
        assert len(missing) == AHEAD_DAYS + 1
    assert partitions.create_ahead(market_data, now_us=NOW_US) == []


def test_rows_from_before_partitions_cover_their_days(market_data: Database) -> None:
    with market_data.transaction() as tx:
        tx.execute(
            text(
                "CREATE TABLE trade_reports_before_20231116 PARTITION OF trade_reports "
                f"FOR VALUES FROM (MINVALUE) TO ({TODAY_US + 2 * DAY_US})"
            )
        )
    assert partitions.create_ahead(market_data, now_us=NOW_US) == []
    store(market_data, 1, NOW_US)
    store(market_data, 2, NOW_US + 2 * DAY_US)
    assert parts_of(market_data, "trade_reports") == {
        "trade_reports_before_20231116": 1,
        "trade_reports_20231116": 1,
    }


@pytest.mark.parametrize("made", [True, False], ids=["in partitions", "in the default ones"])
def test_old_days_are_dropped_and_the_rest_stays(market_data: Database, made: bool) -> None:
    if made:
        partitions.create_ahead(market_data, now_us=NOW_US)
    for day in range(3):
        store(market_data, day + 1, NOW_US + day * DAY_US)
    # For each day a trade with its two reports, a price, and a candle of a second.
    assert drop_all(market_data, before_us=TODAY_US + 2 * DAY_US) == 2 * 3
    with market_data.snapshot() as tx:
        assert [one.sequence for one in reads.trades(tx, "MSFT", limit=9)] == [3]
        assert [one.sequence for one in reads.reports(tx, "ANN", limit=9)] == [3]
        assert len(reads.candles(tx, "MSFT", interval_s=1, limit=9)) == 1
        assert len(reads.candles(tx, "MSFT", interval_s=3_600, limit=9)) == 3
        assert partitions.old(tx, before_us=TODAY_US + 2 * DAY_US) == []
        rows = tx.execute(text("SELECT table_name, sum(rows) FROM dropped WHERE rows > 0 GROUP BY 1 ORDER BY 1"))
        assert [tuple(row) for row in rows] == [("candles_1s", 2), ("prices", 2), ("trade_reports", 2)]


@pytest.mark.parametrize("made", [True, False], ids=["in partitions", "in the default ones"])
def test_dropped_rows_are_not_stored_again(market_data: Database, made: bool) -> None:
    if made:
        partitions.create_ahead(market_data, now_us=NOW_US)
    for day in range(2):
        store(market_data, day + 1, NOW_US + day * DAY_US)
    drop_all(market_data, before_us=TODAY_US + DAY_US)
    with market_data.snapshot() as tx:
        wide = reads.candles(tx, "MSFT", interval_s=3_600, limit=9)
    assert not store(market_data, 1, NOW_US)
    assert store(market_data, 3, NOW_US + DAY_US), "what is new of a day that is kept is stored"
    with market_data.snapshot() as tx:
        assert [one.sequence for one in reads.trades(tx, "MSFT", limit=9)] == [3, 2]
        assert reads.candles(tx, "MSFT", interval_s=3_600, limit=9)[0] == wide[0]


def test_the_other_rows_of_a_batch_with_dropped_ones_are_stored(market_data: Database) -> None:
    partitions.create_ahead(market_data, now_us=NOW_US)
    store(market_data, 1, NOW_US)
    drop_all(market_data, before_us=TODAY_US + DAY_US)
    batch = FeedBatch("matching", NOW_US, trades=[trade(1), trade(2, traded_us=NOW_US + DAY_US)])
    push = pushed(market_data, [batch], taken_us=1)
    assert [(entry.about, entry.sequence) for entry in push.trades] == [("MSFT", 2)]
    assert {(entry.about, entry.sequence) for entry in push.reports} == {("ANN", 2), ("BOB", 2)}


def test_dropping_gives_up_during_a_read_and_continues_later(market_data: Database) -> None:
    partitions.create_ahead(market_data, now_us=NOW_US)
    store(market_data, 1, NOW_US)
    with market_data.snapshot() as tx:
        old = partitions.old(tx, before_us=TODAY_US + DAY_US)
    with market_data.snapshot() as reader:
        assert len(reads.trades(reader, "MSFT", limit=9)) == 1
        for part in old:
            if part.table.name == "trade_reports":
                with pytest.raises(InUse, match="trade_reports"):
                    partitions.drop(market_data, part, now_us=NOW_US, patience_s=0.1)
    assert parts_of(market_data, "trade_reports") == {"trade_reports_20231114": 1}
    drop_all(market_data, before_us=TODAY_US + DAY_US)
    assert all(parts_of(market_data, table.name) == {} for table in DAILY if not table.kept_days)
