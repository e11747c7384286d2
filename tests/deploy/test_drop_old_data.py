"""`make drop-old-data` lists old data, drops it, and keeps the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from celery_app.settings import settings
from db.connect import Database
from db.market_data import partitions
from deploy import drop_old_data
from tasks.data_feed.record import record
from tasks.messages import FeedBatch
from tests.support.databases import own_market_data
from tests.support.feed import trade

DAY_US = 86_400_000_000


@pytest.fixture
def market_data(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    with own_market_data() as database:
        monkeypatch.setenv("MARKET_DATA_URL", database.engine.url.render_as_string(hide_password=False))
        settings.cache_clear()
        yield database
    settings.cache_clear()


def count(database: Database) -> int:
    with database.snapshot() as tx:
        return int(tx.execute(text("SELECT count(*) FROM reports")).scalar_one())


def test_it_lists_what_it_drops_and_keeps_the_rest(market_data: Database, capsys: pytest.CaptureFixture[str]) -> None:
    now_us = time.time_ns() // 1_000
    partitions.create_ahead(market_data, now_us=now_us - 2 * DAY_US)
    for sequence, days in ((1, 2), (2, 0)):
        made = trade(sequence, traded_us=now_us - days * DAY_US)
        record(market_data, [FeedBatch("matching", now_us, trades=[made])], taken_us=now_us)

    assert drop_old_data.main(["--days", "2"]) == 0
    assert "Nothing is older than 2 days." in capsys.readouterr().out
    assert drop_old_data.main(["--days", "1", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "reports" in said
    assert "Nothing was dropped" in said
    assert count(market_data) == 4

    assert drop_old_data.main(["--days", "1"]) == 0
    said = capsys.readouterr().out
    assert "trade_reports before" in said
    assert "Dropped 2 rows" in said, "a trade with its two reports, and a candle"
    assert count(market_data) == 2


def test_recent_data_cannot_be_dropped(market_data: Database, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        drop_old_data.main(["--days", "0"])
    assert "must be at least 1" in capsys.readouterr().err
