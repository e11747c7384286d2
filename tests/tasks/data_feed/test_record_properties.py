"""A flow is stored once, whatever the number of deliveries and workers, the batches and their order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.streams.feed.market import Market, Outcome
from celery_app.settings import settings as exchange_settings
from db.connect import Database
from db.market_data import reads
from tasks.data_feed.outgoing import LevelRows, Push
from tasks.data_feed.record import record
from tasks.data_feed.rules.rows import Book, Report
from tasks.messages import FeedBatch
from tests.support.feed import SECURITIES, Flow, assert_numbered, empty, flow_of, lasting, pushed

_reports_of = msgspec.json.Decoder(list[Report]).decode
_levels_of = msgspec.json.Decoder(LevelRows).decode

flows = st.builds(flow_of, st.integers(0, 2**32), units=st.integers(1, 8), snapshot_at=st.none() | st.integers(0, 7))
chances = st.integers(0, 2**32).map(random.Random)


def groups_of(batches: Sequence[FeedBatch], chance: random.Random, *, shuffled: bool) -> list[list[FeedBatch]]:
    """Return the messages in batches as a worker may get them, some of them twice."""
    deliveries = [*batches, *chance.sample(batches, len(batches) // 3)]
    if shuffled:
        chance.shuffle(deliveries)
    groups: list[list[FeedBatch]] = []
    while deliveries:
        size = chance.randrange(1, 6)
        groups.append(deliveries[:size])
        deliveries = deliveries[size:]
    return groups


def stored_in_order(market_data: Database, flow: Flow) -> object:
    """Return the rows of a flow whose messages are stored one by one, once each; empty the database afterwards."""
    for batch in flow.batches:
        record(market_data, [batch], taken_us=1)
    with market_data.transaction() as tx:
        assert_numbered(tx)
        rows = lasting(tx)
        empty(tx)
    return rows


def assert_books_are_the_engines(market_data: Database, flow: Flow) -> None:
    with market_data.snapshot() as tx:
        for update in flow.books():
            book = reads.book(tx, update.security_id)
            if update.sequence == 0:  # no order has ever rested in this book, so the feed does not know it
                assert book is None or not (book.bids or book.asks)
                continue
            assert book is not None
            assert (book.sequence, sorted(book.bids), sorted(book.asks)) == (
                update.sequence,
                sorted(update.bids),
                sorted(update.asks),
            )


@given(flow=flows, chance=chances)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batches_delivered_twice_and_in_any_order(market_data: Database, flow: Flow, chance: random.Random) -> None:
    with market_data.transaction() as tx:
        empty(tx)
    expected = stored_in_order(market_data, flow)
    for group in groups_of(flow.batches, chance, shuffled=True):
        record(market_data, group, taken_us=1)
    with market_data.snapshot() as tx:
        assert_numbered(tx)
        assert lasting(tx) == expected
    assert_books_are_the_engines(market_data, flow)


@given(flow=flows, chance=chances)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batches_delivered_to_two_workers_at_once(market_data: Database, flow: Flow, chance: random.Random) -> None:
    with market_data.transaction() as tx:
        empty(tx)
    expected = stored_in_order(market_data, flow)
    plans = [groups_of(flow.batches, chance, shuffled=True) for _ in range(2)]

    def work(groups: list[list[FeedBatch]]) -> None:
        own = Database(exchange_settings().market_data_url.get_secret_value())
        for group in groups:
            record(own, group, taken_us=1)
        own.engine.dispose()

    with ThreadPoolExecutor(2) as workers:
        list(workers.map(work, plans))
    with market_data.snapshot() as tx:
        assert_numbered(tx)
        assert lasting(tx) == expected
    assert_books_are_the_engines(market_data, flow)


@example(flow=flow_of(2**32, units=1, snapshot_at=0), chance=random.Random(0), shuffled=False)
@given(flow=flows, chance=chances, shuffled=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_subscribers_receive_everything_once(
    market_data: Database, flow: Flow, chance: random.Random, shuffled: bool
) -> None:
    """A subscriber that follows the pushes, and reads the book after a gap, ends with the stored rows."""
    with market_data.transaction() as tx:
        empty(tx)
    received: Counter[tuple[int, int]] = Counter()
    traded: Counter[tuple[str, int]] = Counter()
    follower = Follower(market_data)
    for group in groups_of(flow.batches, chance, shuffled=shuffled):
        push = pushed(market_data, group, taken_us=1)
        follower.receive(push)
        for entry in push.reports:
            reports = _reports_of(entry.data)
            assert [one.sequence for one in reports] == list(range(entry.previous_sequence + 1, entry.sequence + 1))
            received.update((one.order_id, one.report_id) for one in reports)
        for entry in push.trades:
            traded.update((entry.about, number) for number in range(entry.previous_sequence + 1, entry.sequence + 1))
    with market_data.snapshot() as tx:
        rows = lasting(tx)
        books = {security_id: reads.book(tx, security_id) for security_id in SECURITIES}
    assert received == Counter((row.order_id, row.report_id) for row in rows["reports"])
    assert traded == Counter((one.security_id, one.sequence) for one in flow.trades)
    for security_id, book in books.items():
        if security_id in follower.markets:
            follower.markets[security_id].unsent_levels()  # subscribers get it when it is due
            assert follower.markets[security_id].book() == book
        elif book is not None:  # the engine has published a book in which no order has ever rested
            assert (book.sequence, list(book.bids), list(book.asks)) == (0, [], [])
    if not shuffled:
        assert follower.gaps == 0


class Follower:
    """A subscriber of the books."""

    def __init__(self, market_data: Database) -> None:
        self._market_data = market_data
        self.markets: dict[str, Market] = {}
        self.gaps = 0

    def receive(self, push: Push) -> None:
        read: set[str] = set()  # books read from the database are ahead of the rest of the same push
        for entry in push.books:
            market = self.markets.setdefault(entry.about, Market(entry.about))
            rows = _levels_of(entry.data)
            if entry.type == "snapshot":
                market.replace_book(Book(entry.about, entry.sequence, entry.updated_us, rows.bids, rows.asks))
                continue
            outcome = market.change_book(
                previous_sequence=entry.previous_sequence,
                sequence=entry.sequence,
                changed_us=entry.updated_us,
                bids=rows.bids,
                asks=rows.asks,
            )
            assert outcome is not Outcome.OLD or entry.about in read
            if outcome is Outcome.GAP:
                self.gaps += 1
                with self._market_data.snapshot() as tx:
                    book = reads.book(tx, entry.about)
                assert book is not None
                market.replace_book(book)
                read.add(entry.about)
