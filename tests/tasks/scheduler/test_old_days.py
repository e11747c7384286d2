"""The scheduler drops the market data of old days, with the rights of its own user and no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from celery_app.clock import now_us
from db.connect import Database
from db.market_data import partitions, reads
from deploy.database_users import grant, make_users, urls_of
from tasks.data_feed.record import record
from tasks.messages import FeedBatch
from tasks.scheduler.old_days import OldDays
from tests.support.databases import own_market_data, owner_urls, passwords_of_users
from tests.support.feed import book_update, trade

DAY_US = 86_400_000_000


@pytest.fixture
def market_data() -> Iterator[Database]:
    with own_market_data() as database:
        yield database


def url_of_scheduler(market_data: Database) -> str:
    owner = market_data.engine.url.render_as_string(hide_password=False)
    passwords = passwords_of_users()
    make_users(owner_urls()["CLEARING_DATA_URL"], passwords)
    grant(owner, "MARKET_DATA_URL", passwords)
    return urls_of("scheduler", {"MARKET_DATA_URL": owner}, passwords["scheduler"])["MARKET_DATA_URL"]


def store(market_data: Database, sequence: int, at_us: int) -> None:
    partitions.create_ahead(market_data, now_us=at_us)
    book = book_update(sequence, bid_cents=9_000 + sequence, updated_us=at_us)
    record(market_data, [FeedBatch("matching", at_us, trades=[trade(sequence, traded_us=at_us)], books=[book])],
           taken_us=at_us)  # fmt: skip


def kept(market_data: Database) -> list[int]:
    with market_data.snapshot() as tx:
        return [one.sequence for one in reads.trades(tx, "MSFT", limit=9)]


def test_days_before_those_that_are_kept_are_dropped_and_no_others(market_data: Database) -> None:
    today_us = now_us()
    for sequence, days in enumerate((9, 8, 7, 6, 0), 1):
        store(market_data, sequence, today_us - days * DAY_US)
    url = url_of_scheduler(market_data)
    old = OldDays(url, days=7)
    assert old.drop(now_us=today_us)
    assert kept(market_data) == [5, 4, 3]
    assert old.drop(now_us=today_us), "nothing is left to do"

    with market_data.transaction() as reader:
        reader.execute(text("SELECT FROM trades"))
        assert not OldDays(url, days=6).drop(now_us=today_us), "a table in use is left for the next time"
    assert kept(market_data) == [5, 4, 3]


def test_the_scheduler_cannot_drop_yesterday(market_data: Database) -> None:
    today_us = now_us()
    store(market_data, 1, today_us - DAY_US)
    assert not OldDays(url_of_scheduler(market_data), days=0).drop(now_us=today_us)
    assert kept(market_data) == [1]


def test_a_database_that_is_away_is_tried_again() -> None:
    assert not OldDays("postgresql+psycopg2://no_user@127.0.0.1:1/market_data", days=7).drop(now_us=now_us())
