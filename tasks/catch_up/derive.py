"""Derives the messages that a stage lacks from the log and from the settled trades, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from celery_app.clock import now_us
from celery_app.faults import InvariantBroken
from celery_app.publisher import Parcel
from celery_app.topology import DATA_FEED
from db.clearing_data import catch_up
from db.connect import Database
from tasks.catch_up import messages
from tasks.catch_up.gaps import together
from tasks.matching.log_reader import LogReader
from tasks.matching.outbox import MAX_BATCH
from tasks.matching.rules.engine import Engine
from tasks.matching.snapshot import newest_engine
from tasks.messages import Event
from tasks.shared.rules import coverage
from tasks.shared.rules.coverage import Interval

# Commands replayed at a time.
PAGE = 5_000


def of_engine(
    clearing_data: Database, shard: int, gaps: Mapping[str, Sequence[Interval]], *, published_seq: int
) -> Iterator[Parcel]:
    """Replay the log; yield the messages that the engine of a shard published to each queue in its gaps.

    The replay starts from the newest snapshot before the gaps. If the feed lacks events, changes of the books and
    auctions were lost with them: the replay then continues to `published_seq`, and the feed gets whole books.

    gaps    by queue, not empty
    raises  celery_app.faults.InvariantBroken  the log is damaged
    """
    begin, end = together([gap for of_queue in gaps.values() for gap in of_queue])
    first_seq, last_seq = coverage.seqs_of((begin, end))
    if DATA_FEED in gaps:
        last_seq = max(last_seq, published_seq)
    with clearing_data.transaction() as tx:
        engine = newest_engine(tx, shard, at_most=max(first_seq - 1, 0)) or Engine(shard)
    for first, events in _replay(engine, LogReader(shard, clearing_data), last_seq):
        page = coverage.commands(shard, first, engine.seq + 1)
        for queue, of_queue in gaps.items():
            for gap in coverage.clipped(of_queue, *page):
                yield from messages.of_engine(queue, shard, events, gap, now_us=now_us())
    if DATA_FEED in gaps:
        yield messages.of_books(engine.book_snapshots(), engine.auction_snapshots(), now_us=now_us())


def _replay(engine: Engine, log: LogReader, last_seq: int) -> Iterator[tuple[int, list[Event]]]:
    """Apply the log up to a command; yield the first command and the events of each page."""
    while engine.seq < last_seq:
        first = engine.seq + 1
        commands = log.page(after_seq=engine.seq, limit=min(PAGE, last_seq - engine.seq))
        events: list[Event] = []
        for seq, command in commands:
            if seq != engine.seq + 1:
                raise InvariantBroken(f"command {engine.seq + 1} is missing in the log of shard {engine.shard}")
            events += engine.apply(seq, command)
        if not commands:
            raise InvariantBroken(f"the log of shard {engine.shard} ends before command {last_seq}")
        yield first, events


def of_settlement(clearing_data: Database, gap: Interval) -> Iterator[Parcel]:
    """Yield order execution's reports of the events in a gap."""
    begin, end = gap
    while begin < end:
        with clearing_data.transaction() as tx:
            trades = catch_up.trades(tx, begin, end, limit=MAX_BATCH)
        up_to = end if len(trades) < MAX_BATCH else trades[-1].trade.event_id + 1
        yield messages.of_settlement(trades, (begin, up_to), now_us=now_us())
        begin = up_to


def of_order_entry(clearing_data: Database, shard: int, gap: Interval) -> Iterator[Parcel]:
    """Yield order entry's reports of the commands in a gap."""
    first_seq, last_seq = coverage.seqs_of(gap)
    for first in range(first_seq, last_seq + 1, MAX_BATCH):
        last = min(first + MAX_BATCH - 1, last_seq)
        with clearing_data.transaction() as tx:
            requests = catch_up.requests(tx, shard, first_seq=first, last_seq=last)
        if requests:
            yield messages.of_order_entry(shard, requests, now_us=now_us())
