"""Turns what the stages tell into the reports that clients read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from db.market_data.rows import EventType, Report
from tasks.messages import CancelRefused, FeedBatch, OrderClosed, OrderReport, TradeMade


def reports_of(batches: Iterable[FeedBatch]) -> Iterator[Report]:
    """The reports of batches; those of one batch in the order in which their events can have come about."""
    for batch in batches:
        sent_us = batch.sent_us
        for order in batch.orders:
            yield order_report(order, sent_us=sent_us)
        for trade in batch.trades:
            yield from leg_reports(trade, "trade", sent_us=sent_us)
        for closed in batch.closed:
            yield closed_report(closed, sent_us=sent_us)
        for refused in batch.refused:
            yield refused_report(refused, sent_us=sent_us)
        for settled in batch.settled:
            yield from leg_reports(settled, "settlement", sent_us=sent_us)


def order_report(order: OrderReport, *, sent_us: int) -> Report:
    """Order entry's word on a request, confirmed or denied."""
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
    )


def leg_reports(trade: TradeMade, event_type: EventType, *, sent_us: int) -> tuple[Report, Report]:
    """A trade or its settlement as the buyer and as the seller hear of it."""
    report_id = trade.event_id if event_type == "trade" else -trade.event_id
    buy = Report(
        order_id=trade.buy_order_id,
        report_id=report_id,
        event_type=event_type,
        confirmed=True,
        client_id=trade.buyer,
        security_id=trade.security_id,
        side="buy",
        quantity=trade.quantity,
        price_cents=trade.price_cents,
        reason=None,
        event_us=trade.traded_us,
        sent_us=sent_us,
    )
    sell = Report(
        order_id=trade.sell_order_id,
        report_id=report_id,
        event_type=event_type,
        confirmed=True,
        client_id=trade.seller,
        security_id=trade.security_id,
        side="sell",
        quantity=trade.quantity,
        price_cents=trade.price_cents,
        reason=None,
        event_us=trade.traded_us,
        sent_us=sent_us,
    )
    return buy, sell


def closed_report(closed: OrderClosed, *, sent_us: int) -> Report:
    """The denial of what was still open of an order: its quantity is what is released."""
    return Report(
        order_id=closed.order_id,
        report_id=closed.event_id,
        event_type="order",
        confirmed=False,
        client_id=closed.client_id,
        security_id=closed.security_id,
        side=closed.side,
        quantity=closed.quantity,
        price_cents=closed.hold_cents,
        reason=closed.reason,
        event_us=closed.closed_us,
        sent_us=sent_us,
    )


def refused_report(refused: CancelRefused, *, sent_us: int) -> Report:
    """The denial of a cancel; it says nothing of the order, so it has no side."""
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
