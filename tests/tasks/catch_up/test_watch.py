"""Whichever messages are lost behind order entry, in the end each stage has everything, once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from celery_app.publisher import Parcel
from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from db import coverage as covered
from db.clearing_data import snapshots
from db.connect import Database
from tasks.audit.audit import audit
from tasks.catch_up.begin import begin
from tasks.catch_up.watch import Watch
from tasks.matching.rules.state import digest, encode
from tasks.messages import FeedBatch
from tasks.shared.rules import coverage
from tests.support.lossy import SAID, LossyExchange, Said
from tests.support.trading import NOW_US

REPORTS = f"SELECT {', '.join(SAID)} FROM reports ORDER BY order_id, report_id, client_id"
UNIT = 25


def trade(exchange: LossyExchange, *, rounds: int, is_lost: Callable[[Parcel], bool]) -> None:
    """Take batches of every kind of request through the stages, with losses."""
    exchange.is_lost = is_lost
    for _ in range(rounds):
        now_us = time.time_ns() // 1_000
        exchange.requests.move_clock(now_us)
        exchange.trade(exchange.requests.every_kind(UNIT), now_us=now_us)
    exchange.is_lost = None


def watch_over(exchange: LossyExchange) -> Watch:
    return Watch(exchange.clearing_data, exchange.market_data, exchange, patience_s=0.0)


def heal(exchange: LossyExchange) -> None:
    """Look until no gap is found: order execution reports late what it settles late."""
    watch = watch_over(exchange)
    published = []
    for _ in range(5):
        watch.look()
        published.append(exchange.published)
    assert published[-2] == published[-1], "it finds gaps again and again"


def reports(market_data: Database) -> list[Said]:
    with market_data.snapshot() as tx:
        return [tuple(row) for row in tx.execute(text(REPORTS))]


def assert_whole(exchange: LossyExchange) -> None:
    """Check that every report is stored once and unchanged, the books are the engines', and the audit passes."""
    assert reports(exchange.market_data) == sorted(exchange.said, key=lambda said: (said[0], said[1], said[4]))
    outcome = audit(exchange.clearing_data, exchange.market_data, broker_url=None, patience_s=0.0)
    assert outcome.passed, [rule for rule in outcome.rules if not rule.passed]
    levels = {
        (book.security_id, side, price_cents, quantity, orders)
        for engine in exchange.engines.values()
        for book in engine.book_snapshots()
        for side, levels in (("buy", book.bids), ("sell", book.asks))
        for price_cents, quantity, orders in levels
    }
    with exchange.market_data.snapshot() as tx:
        stored = tx.execute(
            text("SELECT security_id, side, price_cents, quantity, orders FROM book_levels WHERE quantity > 0")
        )
        assert {tuple(row) for row in stored} == levels


@pytest.fixture
def exchange(clearing_data: Database, market_data: Database) -> LossyExchange:
    return LossyExchange(clearing_data, market_data)


def test_without_losses_nothing_is_published_again(exchange: LossyExchange) -> None:
    trade(exchange, rounds=6, is_lost=lambda _: False)
    before = exchange.published
    heal(exchange)
    assert exchange.published == before
    assert_whole(exchange)


@pytest.mark.parametrize("seed", range(4))
def test_any_lost_messages_are_published_again(exchange: LossyExchange, seed: int) -> None:
    chance = random.Random(seed)
    for share in (0.3, 1.0, 0.1):
        trade(exchange, rounds=5, is_lost=lambda _, share=share: chance.random() < share)
    assert exchange.lost
    heal(exchange)
    assert_whole(exchange)


@pytest.mark.parametrize("queue", [ORDER_EXECUTION, DATA_FEED])
def test_the_whole_content_of_a_queue_is_published_again(exchange: LossyExchange, queue: str) -> None:
    trade(exchange, rounds=3, is_lost=lambda _: False)
    trade(exchange, rounds=5, is_lost=lambda parcel: parcel.queue == queue)
    heal(exchange)
    assert_whole(exchange)


def test_late_messages_change_nothing(exchange: LossyExchange) -> None:
    """A hanging worker, or a second process that looks for gaps, causes them."""
    chance = random.Random(3)
    trade(exchange, rounds=8, is_lost=lambda _: chance.random() < 0.5)
    heal(exchange)
    late = exchange.lost[:]
    chance.shuffle(late)
    exchange.send_all(late)
    assert_whole(exchange)


def test_a_replay_starts_from_the_newest_snapshot_before_the_gap(exchange: LossyExchange) -> None:
    trade(exchange, rounds=4, is_lost=lambda _: False)
    for shard, engine in exchange.engines.items():
        body = encode(engine.state())
        with exchange.clearing_data.transaction() as tx:
            snapshots.write(tx, shard, seq=engine.seq, state_hash=digest(body).hex(), body=body, now_us=NOW_US)
    trade(exchange, rounds=4, is_lost=lambda _: True)
    heal(exchange)
    assert_whole(exchange)


def test_a_denial_whose_report_was_lost_is_reported(exchange: LossyExchange) -> None:
    trade(exchange, rounds=3, is_lost=lambda parcel: isinstance(parcel.batch, FeedBatch) and bool(parcel.batch.orders))
    denied = [said for said in exchange.said if not said[3] and said[1] < 2**53]
    assert len(denied) > 5
    heal(exchange)
    assert_whole(exchange)


def test_publishing_by_hand_changes_nothing_if_nothing_is_missing(exchange: LossyExchange) -> None:
    trade(exchange, rounds=5, is_lost=lambda _: False)
    before = reports(exchange.market_data)
    assert watch_over(exchange).republish(0, 3) > 0
    assert reports(exchange.market_data) == before
    assert_whole(exchange)


def test_publishing_by_hand_repairs_losses_that_coverage_does_not_show(exchange: LossyExchange) -> None:
    """The older messages of an upgraded exchange do not say what they cover."""
    trade(exchange, rounds=3, is_lost=lambda parcel: parcel.queue == DATA_FEED and bool(parcel.batch.trades))
    for database in (exchange.clearing_data, exchange.market_data):
        with database.transaction() as tx:
            tx.execute(text("DELETE FROM coverage"))
    begin(exchange.clearing_data, exchange.market_data)
    with exchange.clearing_data.transaction() as tx:
        assert covered.read(tx) == {
            ("matching", shard): [coverage.commands(shard, 0, engine.seq + 1)]
            for shard, engine in exchange.engines.items()
        }
    before = exchange.published
    watch_over(exchange).look()
    assert exchange.published == before
    for shard in exchange.engines:
        watch_over(exchange).republish(shard, 1)
    assert_whole(exchange)


def test_coverage_is_merged_and_stays_the_same(exchange: LossyExchange) -> None:
    trade(exchange, rounds=6, is_lost=lambda parcel: parcel.size % 5 == 3)
    for database in (exchange.clearing_data, exchange.market_data):
        with database.transaction() as tx:
            before = covered.read(tx)
            covered.merge(tx)
            assert covered.read(tx) == before
            rows = tx.execute(text("SELECT count(*) FROM coverage")).scalar_one()
        assert rows == sum(map(len, before.values()))


def test_beginning_again_changes_nothing(exchange: LossyExchange) -> None:
    trade(exchange, rounds=2, is_lost=lambda _: True)
    begin(exchange.clearing_data, exchange.market_data)
    heal(exchange)
    assert_whole(exchange)
