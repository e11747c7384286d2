"""Turns the messages of the stages into the reports that clients read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

from tasks.data_feed.rules.rows import EventType, Report
from tasks.messages import (
    CancelRefused,
    FeedBatch,
    OrderClosed,
    OrderReplaced,
    OrderReport,
    OrderTriggered,
    ReplaceRefused,
    TradeMade,
)


def reports_of(batches: Iterable[FeedBatch]) -> Iterator[Report]:
    """Return the reports of batches; within a batch, in an order in which their events can have happened."""
    for batch in batches:
        for report in _reports_of(batch):
            report.began_us = batch.began_us
            yield report


def _reports_of(batch: FeedBatch) -> Iterator[Report]:
    sent_us = batch.sent_us
    for order, asked_us in zip_longest(batch.orders, batch.asked_us[: len(batch.orders)]):
        yield order_report(order, asked_us=asked_us, sent_us=sent_us)
    if batch.replaced or batch.triggered:
        # An order may trade both before and after it gets new terms, and the event ids say which comes first. The sort
        # is stable, so the two reports of a trade keep their order.
        yield from sorted(_matching_reports(batch), key=lambda report: report.report_id)
    else:
        yield from _matching_reports(batch)
    for settled in batch.settled:
        yield from leg_reports(settled, "settlement", sent_us=sent_us)
    for failed in batch.failed:
        yield from leg_reports(failed.trade, "settlement", sent_us=sent_us, denied=failed.reason)


def _matching_reports(batch: FeedBatch) -> Iterator[Report]:
    sent_us = batch.sent_us
    for trade in batch.trades:
        yield from leg_reports(trade, "trade", sent_us=sent_us)
    for replaced in batch.replaced:
        yield changed_report(replaced, sent_us=sent_us)
    for triggered in batch.triggered:
        yield changed_report(triggered, sent_us=sent_us)
    for closed in batch.closed:
        yield closed_report(closed, sent_us=sent_us)
    for refused in batch.refused:
        yield refused_report(refused, sent_us=sent_us)
    for replace_refused in batch.replaces_refused:
        yield refused_report(replace_refused, sent_us=sent_us)


def order_report(order: OrderReport, *, asked_us: int | None = None, sent_us: int) -> Report:
    """Return the report of order entry's decision on a request; `asked_us` is when the api sent the request."""
    return Report(
        order_id=order.order_id,
        report_id=order.event_id,
        event_type="order",
        confirmed=order.status == "confirmed",
        client_id=order.client_id,
        security_id=order.security_id,
        side=order.side,
        quantity=order.quantity,
        price_cents=order.price_cents,
        reason=order.reason,
        event_us=order.received_us,
        sent_us=sent_us,
        asked_us=asked_us,
    )


def leg_reports(
    trade: TradeMade, event_type: EventType, *, sent_us: int, denied: str | None = None
) -> tuple[Report, Report]:
    """Return the reports of a trade or its settlement to buyer and seller; `denied` is why it does not settle."""
    report_id = trade.event_id if event_type == "trade" else -trade.event_id
    # Both legs are written out, because a function for either one takes half as long again.
    buy = Report(
        order_id=trade.buy_order_id,
        report_id=report_id,
        event_type=event_type,
        confirmed=denied is None,
        client_id=trade.buyer,
        security_id=trade.security_id,
        side="buy",
        quantity=trade.quantity,
        price_cents=trade.price_cents,
        reason=denied,
        event_us=trade.traded_us,
        sent_us=sent_us,
    )
    sell = Report(
        order_id=trade.sell_order_id,
        report_id=report_id,
        event_type=event_type,
        confirmed=denied is None,
        client_id=trade.seller,
        security_id=trade.security_id,
        side="sell",
        quantity=trade.quantity,
        price_cents=trade.price_cents,
        reason=denied,
        event_us=trade.traded_us,
        sent_us=sent_us,
    )
    return buy, sell


def closed_report(closed: OrderClosed, *, sent_us: int) -> Report:
    """Return the denial of the open rest of an order; its quantity is the released quantity, its price the limit."""
    return Report(
        order_id=closed.order_id,
        report_id=closed.event_id,
        event_type="order",
        confirmed=False,
        client_id=closed.client_id,
        security_id=closed.security_id,
        side=closed.side,
        quantity=closed.quantity,
        price_cents=closed.limit_cents,
        reason=closed.reason,
        event_us=closed.closed_us,
        sent_us=sent_us,
    )


def changed_report(changed: OrderReplaced | OrderTriggered, *, sent_us: int) -> Report:
    """Return the confirmation of a replaced or triggered order, with its total quantity and its limit."""
    if isinstance(changed, OrderReplaced):
        reason, event_us = "replaced", changed.replaced_us
    else:
        reason, event_us = "triggered", changed.triggered_us
    return Report(
        order_id=changed.order_id,
        report_id=changed.event_id,
        event_type="order",
        confirmed=True,
        client_id=changed.client_id,
        security_id=changed.security_id,
        side=changed.side,
        quantity=changed.quantity,
        price_cents=changed.price_cents,
        reason=reason,
        event_us=event_us,
        sent_us=sent_us,
    )


def refused_report(refused: CancelRefused | ReplaceRefused, *, sent_us: int) -> Report:
    """Return the denial of a cancel or a replacement; it has no side, because it says nothing about the order."""
    return Report(
        order_id=refused.order_id,
        report_id=refused.event_id,
        event_type="order",
        confirmed=False,
        client_id=refused.client_id,
        security_id=refused.security_id,
        side=None,
        quantity=None,
        price_cents=None,
        reason=refused.reason,
        event_us=refused.refused_us,
        sent_us=sent_us,
    )
