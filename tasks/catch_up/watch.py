"""Looks once a second for events that order execution and the feed lack, derives them and publishes them again."""

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

# How long events are missing before they count as lost [s].
PATIENCE_S = 4.0
# Number of messages that are confirmed together.
PARCELS = 8


class Broker(Protocol):
    """The operations of RabbitMQ that a Watch needs."""

    def send_all(self, parcels: list[Parcel]) -> None:
        """Return when all batches are confirmed on their queues."""

    def is_empty(self, queue: str) -> bool:
        """Return whether no message of a queue is ready."""


class Route(NamedTuple):
    """The path of one shard's messages from a stage to the queue of another."""

    stage: str
    queue: str
    shard: int


class RouteCoverage(NamedTuple):
    """The events that a stage should have over a route, and those that it has."""

    expected: list[Interval]
    covered: list[Interval]


class Watch:
    """Compares the published events with the covered ones, in both databases."""

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
        """Forget earlier looks: after an outage everything is late, but little of it is lost."""
        self._gaps: dict[Route, GapWatch] = defaultdict(lambda: GapWatch(patience_s=self._patience_s))

    def look(self) -> None:
        """Publish lost messages again.

        raises  sqlalchemy.exc.DBAPIError, psycopg2.Error, NotSent, OutcomeUnknown  a service is away
                celery_app.faults.InvariantBroken                                   the log is damaged
        """
        is_empty = {queue: self._broker.is_empty(queue) for queue in (ORDER_EXECUTION, DATA_FEED)}
        heads, routes = self._read()
        now_s = time.monotonic()
        due: dict[Route, list[Interval]] = {}
        for route, found in routes.items():
            missing = missing_of(found.expected, found.covered)
            gaps = self._gaps[route].look(missing, found.covered, queue_is_empty=is_empty[route.queue], now_s=now_s)
            if gaps:
                due[route] = gaps
                log.warning("gap_found", **route._asdict(), gaps=len(gaps), first=gaps[0])
        for head in heads:
            publish(self._broker, self.derive(head, due))
        publish(self._broker, self._denials.look(queue_is_empty=is_empty[DATA_FEED]))

    def republish(self, shard: int, first_seq: int) -> int:
        """Publish again everything of a shard from a command on; return the number of messages."""
        heads, routes = self._read()
        begin = coverage.commands(shard, first_seq, first_seq + 1)[0]
        gaps = {
            route: coverage.clipped(found.expected, begin, coverage.LAST)
            for route, found in routes.items()
            if route.shard == shard
        }
        due = {route: some for route, some in gaps.items() if some}
        return sum(publish(self._broker, self.derive(head, due)) for head in heads if head.shard == shard)

    def derive(self, head: Head, gaps: dict[Route, list[Interval]]) -> Iterator[Parcel]:
        """Derive the missing messages of a shard, in the order of the stages."""
        shard = head.shard
        for gap in gaps.get(Route("order_entry", DATA_FEED, shard), ()):
            yield from derive.of_order_entry(self._clearing_data, shard, gap)
        of_engine = {
            queue: some for queue in (ORDER_EXECUTION, DATA_FEED) if (some := gaps.get(Route(SETTLED, queue, shard)))
        }
        if of_engine:
            yield from derive.of_engine(self._clearing_data, shard, of_engine, published_seq=head.published_seq)
        for gap in gaps.get(Route("order_execution", DATA_FEED, shard), ()):
            yield from derive.of_settlement(self._clearing_data, gap)

    def _read(self) -> tuple[list[Head], dict[Route, RouteCoverage]]:
        """Return the events that each stage should have of each shard, and those that it has.

        The expected events are read first; otherwise events that arrive in between would count as missing.
        """
        with self._clearing_data.transaction() as tx:
            heads = catch_up.heads(tx)
            settled = covered.read(tx)
        with self._market_data.transaction() as tx:
            stored = covered.read(tx)
        routes = {}
        for head in heads:
            shard = head.shard
            published = [coverage.commands(shard, 1, head.published_seq + 1)] if head.published_seq else []
            cleared = settled.get((SETTLED, shard), [])
            for stage, queue, expected, found in (
                (SETTLED, ORDER_EXECUTION, published, settled),
                ("order_entry", DATA_FEED, published, stored),
                ("matching", DATA_FEED, published, stored),
                ("order_execution", DATA_FEED, cleared, stored),
            ):
                routes[Route(stage, queue, shard)] = RouteCoverage(expected, found.get((stage, shard), []))
        return heads, routes


def publish(broker: Broker, parcels: Iterable[Parcel]) -> int:
    """Publish messages as they are derived, a few at a time; return their number."""
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
