"""Looks once a second for what order execution and the feed lack, and has it derived and published again."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import structlog

from celery_app.publisher import Parcel
from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from db import coverage as covered
from db.clearing_data import catch_up
from db.clearing_data.catch_up import Head
from db.connect import Database
from tasks.catch_up import derive
from tasks.catch_up.begin import SETTLED
from tasks.catch_up.denials import DenialWatch
from tasks.catch_up.gaps import GapWatch, missing_of
from tasks.shared.rules import coverage
from tasks.shared.rules.coverage import Interval

log = structlog.get_logger()

# How long something is missing before it counts as lost [s].
PATIENCE_S = 4.0
# Messages that are confirmed together.
PARCELS = 8


class Broker(Protocol):
    """What is needed of RabbitMQ."""

    def send_all(self, parcels: list[Parcel]) -> None:
        """Return when all batches are surely on their queues."""

    def is_empty(self, queue: str) -> bool:
        """Whether no message of a queue is ready."""


class Line(NamedTuple):
    """From one stage to another, of one shard."""

    stage: str
    queue: str
    shard: int


class Lack(NamedTuple):
    """What a stage should have and what it has."""

    expected: list[Interval]
    covered: list[Interval]


class Watch:
    """Compares what was published with what is covered, in both databases."""

    def __init__(
        self, clearing_data: Database, market_data: Database, broker: Broker, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._clearing_data = clearing_data
        self._market_data = market_data
        self._broker = broker
        self._patience_s = patience_s
        self._denials = DenialWatch(clearing_data, market_data, patience_s=patience_s)
        self.forget()

    def forget(self) -> None:
        """Forget what was seen: after an outage everything is late, and little of it lost."""
        self._gaps: dict[Line, GapWatch] = defaultdict(lambda: GapWatch(patience_s=self._patience_s))

    def look(self) -> None:
        """Have published again what was lost.

        raises  sqlalchemy.exc.DBAPIError, psycopg2.Error, NotSent, OutcomeUnknown  the world is away
                celery_app.stage.InvariantBroken                                    the log is damaged
        """
        is_empty = {queue: self._broker.is_empty(queue) for queue in (ORDER_EXECUTION, DATA_FEED)}
        heads, lacks = self._read()
        now_s = time.monotonic()
        due: dict[Line, list[Interval]] = {}
        for line, lack in lacks.items():
            missing = missing_of(lack.expected, lack.covered)
            gaps = self._gaps[line].look(missing, lack.covered, queue_is_empty=is_empty[line.queue], now_s=now_s)
            if gaps:
                due[line] = gaps
                log.warning("gap_found", **line._asdict(), gaps=len(gaps), first=gaps[0])
        for head in heads:
            publish(self._broker, self.derive(head, due))
        publish(self._broker, self._denials.look(queue_is_empty=is_empty[DATA_FEED]))

    def republish(self, shard: int, first_seq: int) -> int:
        """Publish again everything of a shard from a command on; returns the number of messages."""
        heads, lacks = self._read()
        begin = coverage.commands(shard, first_seq, first_seq + 1)[0]
        gaps = {
            line: coverage.clipped(lack.expected, begin, coverage.LAST)
            for line, lack in lacks.items()
            if line.shard == shard
        }
        due = {line: some for line, some in gaps.items() if some}
        return sum(publish(self._broker, self.derive(head, due)) for head in heads if head.shard == shard)

    def derive(self, head: Head, gaps: dict[Line, list[Interval]]) -> Iterator[Parcel]:
        """All that is missing of a shard, in the order in which it came about."""
        shard = head.shard
        for gap in gaps.get(Line("order_entry", DATA_FEED, shard), ()):
            yield from derive.of_order_entry(self._clearing_data, shard, gap)
        of_engine = {
            queue: some for queue in (ORDER_EXECUTION, DATA_FEED) if (some := gaps.get(Line(SETTLED, queue, shard)))
        }
        if of_engine:
            yield from derive.of_engine(self._clearing_data, shard, of_engine, published_seq=head.published_seq)
        for gap in gaps.get(Line("order_execution", DATA_FEED, shard), ()):
            yield from derive.of_settlement(self._clearing_data, gap)

    def _read(self) -> tuple[list[Head], dict[Line, Lack]]:
        """What each stage should have of each shard, and what it has.

        What it should have is read first, or what comes in between would be missing.
        """
        with self._clearing_data.transaction() as tx:
            heads = catch_up.heads(tx)
            settled = covered.read(tx)
        with self._market_data.transaction() as tx:
            stored = covered.read(tx)
        lacks = {}
        for head in heads:
            shard = head.shard
            sequenced = [coverage.commands(shard, 1, head.last_seq + 1)] if head.last_seq else []
            published = [coverage.commands(shard, 1, head.published_seq + 1)] if head.published_seq else []
            cleared = settled.get((SETTLED, shard), [])
            for stage, queue, expected, found in (
                (SETTLED, ORDER_EXECUTION, published, settled),
                ("order_entry", DATA_FEED, sequenced, stored),
                ("matching", DATA_FEED, published, stored),
                ("order_execution", DATA_FEED, cleared, stored),
            ):
                lacks[Line(stage, queue, shard)] = Lack(expected, found.get((stage, shard), []))
        return heads, lacks


def publish(broker: Broker, parcels: Iterable[Parcel]) -> int:
    """Publish messages as they are made, some at a time; returns how many."""
    sent = 0
    for some in _batched(parcels):
        broker.send_all(some)
        sent += len(some)
    return sent


def _batched(parcels: Iterable[Parcel]) -> Iterator[list[Parcel]]:
    some: list[Parcel] = []
    for parcel in parcels:
        some.append(parcel)
        if len(some) == PARCELS:
            yield some
            some = []
    if some:
        yield some
