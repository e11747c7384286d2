"""The stage order_entry: requests in, sequenced commands out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache

import structlog
from psycopg2.errors import CheckViolation
from sqlalchemy.exc import IntegrityError

from celery_app import app, fail_points
from celery_app.clock import now_us
from celery_app.faults import InvariantBroken
from celery_app.publisher import Parcel
from celery_app.settings import settings
from celery_app.stage import Stage
from celery_app.topology import DATA_FEED, ORDER_ENTRY, matching_queue
from db.clearing_data.listing import trading_day
from db.clearing_data.log import admission, suspects, waiting_replaces
from tasks.messages import CommandBatch, EntryBatch, OrderReport, Tick
from tasks.order_entry.admit import admit
from tasks.order_entry.rules.decisions import Limits, number_of
from tasks.order_entry.rules.feed import with_reports
from tasks.order_entry.tick import tick
from tasks.services import clearing_data, publisher

log = structlog.get_logger()


# How long a replacement waits for its order, which another worker may be handling [us].
PATIENCE_US = 1_000_000
# How long the cancel of an order that never came, and an attempt to handle a suspicious message, are remembered [us],
# and how often older ones are deleted [s].
REMEMBERED_US = 86_400_000_000
FORGET_EVERY_S = 600.0


class OrderEntry(Stage):
    """The task of the stage. Between batches it decides replacements whose orders have not arrived."""

    abstract = True
    _forget_at = 0.0

    def attempt(self, message_id: str) -> int:
        """Note an attempt in clearing_data."""
        with clearing_data(ORDER_ENTRY).transaction() as tx:
            return suspects.attempt(tx, message_id, now_us=now_us())

    def tick(self) -> None:
        """Do the periodic work; called about once a second."""
        began_us = now_us()
        with clearing_data(ORDER_ENTRY).transaction() as tx:
            overdue = waiting_replaces.overdue(tx, since_us=began_us - PATIENCE_US)
            if time.monotonic() >= self._forget_at:
                admission.forget_cancel_marks(tx, before_us=began_us - REMEMBERED_US)
                suspects.forget(tx, before_us=began_us - REMEMBERED_US)
                self._forget_at = time.monotonic() + FORGET_EVERY_S
        if overdue:
            _decide([EntryBatch(list(overdue))], patient=False)


# Requests of one client take effect in the order in which it sent them.
@app.task(name=ORDER_ENTRY, base=OrderEntry, keeps_order=True)
def order_entry(batches: list[EntryBatch]) -> None:
    """Admit or deny the requests of all delivered messages; publish commands to the engines, denials to the feed."""
    of_clients = [batch for batch in batches if not _is_tick(batch)]
    if of_clients:
        _decide(of_clients, patient=True)
    if len(of_clients) < len(batches):
        _tick()


def _is_tick(batch: EntryBatch) -> bool:
    return bool(batch.requests) and type(batch.requests[0]) is Tick


def _tick() -> None:
    """Sequence what is due. If the process ends or RabbitMQ is down, the next tick sends what this one did not."""
    began_us = now_us()
    ticked = tick(clearing_data(ORDER_ENTRY), limits=_limits(), now_us=began_us)
    if ticked.batches:
        fail_points.reach("order_entry.tick_committed")
        _publish(ticked.batches, ticked.reports, {}, began_us=began_us)
        fail_points.reach("order_entry.tick_sent")
        with clearing_data(ORDER_ENTRY).transaction() as tx:
            trading_day.forget_unsent(tx, ticked.ranges)


def _decide(batches: list[EntryBatch], *, patient: bool) -> None:
    began_us = now_us()
    requests = [request for batch in batches for request in batch.requests if not isinstance(request, Tick)]
    try:
        admitted = admit(clearing_data(ORDER_ENTRY), requests, limits=_limits(), now_us=began_us, patient=patient)
    except (CheckViolation, IntegrityError) as violation:
        # More is held than the balance, or less than zero, although the account was locked and checked: an invariant
        # is broken.
        raise InvariantBroken("order entry broke a constraint of clearing_data") from violation
    fail_points.reach("order_entry.committed")
    for dropped in admitted.dropped:
        # The log omits names, because a name may be what is wrong with the request.
        log.error(
            "request_dropped",
            number=number_of(dropped.request),
            kind=type(dropped.request).__name__,
            reason=dropped.reason,
        )
    # Of several copies the first counts, as in the reports.
    asked_us = {
        number_of(request): batch.sent_us
        for batch in batches[::-1]
        for request in batch.requests
        if not isinstance(request, Tick)
    }
    _publish(admitted.commands, admitted.reports, asked_us, began_us=began_us)


def _publish(
    commands: Sequence[CommandBatch],
    reports: Sequence[OrderReport],
    asked_us: Mapping[int, int | None],
    *,
    began_us: int,
) -> None:
    to_engines, to_feed = with_reports(commands, reports, asked_us, began_us=began_us, now_us=now_us())
    publisher().send_all(
        [Parcel(matching_queue(batch.shard), batch, len(batch.commands)) for batch in to_engines]
        + [Parcel(DATA_FEED, feed, len(feed.orders)) for feed in to_feed]
    )


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
