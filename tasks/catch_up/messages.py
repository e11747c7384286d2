"""Messages that repeat earlier ones; each says which events it covers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from celery_app.publisher import Parcel
from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from db.clearing_data.catch_up import LoggedRequest, SettledTrade
from tasks.matching.outbox import MAX_BATCH, execution_batch, feed_batch
from tasks.messages import (
    AuctionUpdate,
    BookUpdate,
    Event,
    Expire,
    FeedBatch,
    MassCancel,
    MoveCommand,
    OrderReport,
    PlaceOrder,
    ReplaceOrder,
    SecurityCommand,
    TradeFailed,
)
from tasks.shared.rules import coverage
from tasks.shared.rules.coverage import Interval


def of_engine(queue: str, shard: int, events: Sequence[Event], gap: Interval, *, now_us: int) -> Iterator[Parcel]:
    """Yield the messages for a queue after the engine with all its events in a gap, in the order of their ids."""
    within = [event for event in events if gap[0] <= event.event_id < gap[1]]
    for start in range(0, max(len(within), 1), MAX_BATCH):
        part = within[start : start + MAX_BATCH]
        begin = part[0].event_id if start else gap[0]
        is_last = start + MAX_BATCH >= len(within)
        covers = [(begin, gap[1] if is_last else within[start + MAX_BATCH].event_id)]
        if queue == ORDER_EXECUTION:
            yield Parcel(queue, execution_batch(shard, part, covers, now_us=now_us), len(part))
        else:
            yield Parcel(queue, feed_batch(part, [], covers, began_us=now_us, now_us=now_us), len(part))


def of_books(books: list[BookUpdate], auctions: list[AuctionUpdate], *, now_us: int) -> Parcel:
    """Return the message for the feed with whole books and auctions."""
    batch = feed_batch([], books, [], began_us=now_us, now_us=now_us, auctions=auctions)
    return Parcel(DATA_FEED, batch, len(books) + len(auctions))


def of_settlement(trades: Sequence[SettledTrade], covers: Interval, *, now_us: int) -> Parcel:
    """Return order execution's report of trades."""
    batch = FeedBatch(
        "order_execution",
        now_us,
        settled=[one.trade for one in trades if one.failed is None],
        failed=[TradeFailed(one.trade, one.failed) for one in trades if one.failed is not None],
        covers=[covers],
    )
    return Parcel(DATA_FEED, batch, len(trades))


def of_order_entry(shard: int, requests: Sequence[LoggedRequest], *, now_us: int) -> Parcel:
    """Return order entry's report of consecutive requests of the log."""
    reports = [made for request in requests if (made := report(request, now_us=now_us)) is not None]
    covers = coverage.commands(shard, requests[0].seq, requests[-1].seq + 1)
    return Parcel(DATA_FEED, FeedBatch("order_entry", now_us, orders=reports, covers=[covers]), len(reports))


def of_denials(reports: list[OrderReport], *, now_us: int) -> Parcel:
    """Return order entry's report of denied requests, which are in no log."""
    return Parcel(DATA_FEED, FeedBatch("order_entry", now_us, orders=reports), len(reports))


def report(request: LoggedRequest, *, now_us: int) -> OrderReport | None:
    """Return the report of a request in the log, as order entry makes it; None for requests of the exchange itself.

    Its two numbers and its time identify it. They must be the same as before; otherwise the feed would store it twice.
    """
    command, received_us = request.command, request.received_us
    if received_us is None:
        return None  # from before the log stored this; no report that old is missing
    if isinstance(command, PlaceOrder):
        # The log contains the collar of a market or a stop order.
        price_cents = command.price_cents if command.type in ("limit", "stop_limit") else None
        return OrderReport(
            command.order_id,
            "order",
            "confirmed",
            command.order_id,
            command.client_id,
            command.security_id,
            command.side,
            command.quantity,
            price_cents,
            "buy_in" if request.buy_in else None,
            received_us,
            now_us,
        )
    if isinstance(command, Expire | SecurityCommand | MoveCommand):
        return None
    kind: Literal["cancel", "replace", "mass_cancel"] = "cancel"
    quantity = price_cents = None
    if isinstance(command, MassCancel):
        kind, order_id, security_id = "mass_cancel", command.command_id, request.named_security or ""
    else:
        order_id, security_id = command.order_id, command.security_id
        if isinstance(command, ReplaceOrder):
            kind, quantity, price_cents = "replace", command.quantity, command.price_cents
    return OrderReport(
        command.command_id,
        kind,
        "confirmed",
        order_id,
        command.client_id,
        security_id,
        None,
        quantity,
        price_cents,
        None,
        received_us,
        now_us,
    )
