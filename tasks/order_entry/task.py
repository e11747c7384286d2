"""The stage order_entry: requests in, sequenced commands out."""

from __future__ import annotations

import time
from fractions import Fraction
from functools import cache

import structlog
from psycopg2.errors import CheckViolation
from sqlalchemy.exc import IntegrityError

from celery_app import app, fail_points
from celery_app.clock import now_us
from celery_app.publisher import Parcel
from celery_app.settings import settings
from celery_app.stage import InvariantBroken, Stage
from celery_app.topology import DATA_FEED, ORDER_ENTRY, matching_queue
from db.clearing_data import admission, trading_day, waiting_replaces
from tasks.messages import CommandBatch, EntryBatch, Tick
from tasks.order_entry.admit import admit
from tasks.order_entry.rules.decisions import Limits, number_of
from tasks.order_entry.rules.feed import feed_of
from tasks.order_entry.tick import tick
from tasks.services import clearing_data, publisher

log = structlog.get_logger()


# How long a replacement waits for its order, which another worker may have in hand [us].
PATIENCE_US = 1_000_000
# How long the cancel of an order that never came is remembered [us], and how often older ones are forgotten [s].
REMEMBERED_US = 86_400_000_000
FORGET_EVERY_S = 600.0


class OrderEntry(Stage):
    """Between units it decides the replacements whose orders have not come."""

    abstract = True
    _forget_at = 0.0

    def tick(self) -> None:
        """Called about once a second."""
        began_us = now_us()
        with clearing_data(ORDER_ENTRY).transaction() as tx:
            overdue = waiting_replaces.overdue(tx, since_us=began_us - PATIENCE_US)
            if time.monotonic() >= self._forget_at:
                admission.forget_cancel_marks(tx, before_us=began_us - REMEMBERED_US)
                self._forget_at = time.monotonic() + FORGET_EVERY_S
        if overdue:
            _decide([EntryBatch(list(overdue))], patient=False)


# Requests of one client take effect in the order in which it sent them.
@app.task(name=ORDER_ENTRY, base=OrderEntry, keeps_order=True)
def order_entry(batches: list[EntryBatch]) -> None:
    """Admit or deny the requests of all delivered messages, and tell the engines and the feed."""
    of_clients = [batch for batch in batches if not _is_tick(batch)]
    if of_clients:
        _decide(of_clients, patient=True)
    if len(of_clients) < len(batches):
        _tick()


def _is_tick(batch: EntryBatch) -> bool:
    return bool(batch.requests) and type(batch.requests[0]) is Tick


def _tick() -> None:
    """Sequence what is due. What a tick leaves unsent, because it ends or RabbitMQ is away, the next one sends."""
    began_us = now_us()
    ticked = tick(clearing_data(ORDER_ENTRY), limits=_limits(), now_us=began_us)
    if ticked.batches:
        fail_points.reach("order_entry.tick_committed")
        feeds = feed_of(ticked.reports, ticked.reported, {}, began_us=began_us, now_us=now_us())
        publisher().send_all(
            [*_to_engines(ticked.batches), *(Parcel(DATA_FEED, feed, len(feed.orders)) for feed in feeds)]
        )
        with clearing_data(ORDER_ENTRY).transaction() as tx:
            trading_day.forget_unsent(tx, ticked.ranges)


def _to_engines(batches: list[CommandBatch]) -> list[Parcel]:
    return [Parcel(matching_queue(batch.shard), batch, len(batch.commands)) for batch in batches]


def _decide(batches: list[EntryBatch], *, patient: bool) -> None:
    began_us = now_us()
    requests = [request for batch in batches for request in batch.requests if not isinstance(request, Tick)]
    try:
        admitted = admit(clearing_data(ORDER_ENTRY), requests, limits=_limits(), now_us=began_us, patient=patient)
    except (CheckViolation, IntegrityError) as violation:
        # Held above the balance or below zero, with the account locked and checked: what we know is wrong.
        raise InvariantBroken("order entry broke a constraint of clearing_data") from violation
    fail_points.reach("order_entry.committed")
    for dropped in admitted.dropped:
        # No names: they may be what is wrong with it.
        log.error(
            "request_dropped",
            number=number_of(dropped.request),
            kind=type(dropped.request).__name__,
            reason=dropped.reason,
        )
    parcels = _to_engines(admitted.commands)
    # Of several copies the first one counts, as in the reports.
    asked_us = {
        number_of(request): batch.sent_us
        for batch in batches[::-1]
        for request in batch.requests
        if not isinstance(request, Tick)
    }
    feeds = feed_of(admitted.reports, admitted.commands, asked_us, began_us=began_us, now_us=now_us())
    parcels += [Parcel(DATA_FEED, feed, len(feed.orders)) for feed in feeds]
    publisher().send_all(parcels)


@cache
def _limits() -> Limits:
    s = settings()
    return Limits(
        market_order_band=Fraction(s.market_order_band),
        max_order_quantity=s.max_order_quantity,
        max_open_orders=s.max_open_orders,
        max_order_notional_cents=s.max_order_notional_cents,
        max_position=s.max_position,
    )
