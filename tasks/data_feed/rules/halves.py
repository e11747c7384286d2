"""Divides a batch of the feed that cannot be stored whole, so that all but its culprit is stored."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tasks.messages import FeedBatch, TradeFailed
from tasks.shared.rules import coverage

# What happened at an event of the engine.
_OF_EVENTS = ("trades", "closed", "refused", "replaced", "replaces_refused", "triggered", "settled", "failed")


def halves_of(batch: FeedBatch) -> tuple[FeedBatch, FeedBatch] | None:
    """Two batches that say what one said, the earlier half first; None for what is one thing.

    Of what is divided by its events both halves cover their share. What has none, order entry's word on requests and
    changes of books, covers nothing: where its place is in the log cannot be seen from here.
    """
    numbers = sorted({_number(one) for name in _OF_EVENTS for one in getattr(batch, name)})
    if sum(map(bool, (batch.orders, batch.books, numbers))) > 1:
        return _apart(batch)
    if len(numbers) > 1:
        return _at(batch, numbers[len(numbers) // 2])
    middle = max(len(batch.orders), len(batch.books)) // 2
    if not middle:
        return None
    asked_us = batch.asked_us
    return (
        replace(batch, orders=batch.orders[:middle], asked_us=asked_us[:middle], books=batch.books[:middle], covers=[]),
        replace(batch, orders=batch.orders[middle:], asked_us=asked_us[middle:], books=batch.books[middle:], covers=[]),
    )


def _apart(batch: FeedBatch) -> tuple[FeedBatch, FeedBatch]:
    """The events, and after them what else is told: neither covers anything, as it takes both."""
    events = replace(batch, orders=[], asked_us=[], books=[], covers=[])
    return events, replace(batch, covers=[], **{name: [] for name in _OF_EVENTS})


def _at(batch: FeedBatch, number: int) -> tuple[FeedBatch, FeedBatch]:
    """What happened before an event, and what from it on."""
    before: dict[str, list[Any]] = {}
    after: dict[str, list[Any]] = {}
    for name in _OF_EVENTS:
        told = getattr(batch, name)
        before[name] = [one for one in told if _number(one) < number]
        after[name] = [one for one in told if _number(one) >= number]
    return (
        replace(batch, **before, covers=coverage.clipped(batch.covers, 0, number)),
        replace(batch, **after, covers=coverage.clipped(batch.covers, number, coverage.LAST)),
    )


def _number(one: Any) -> int:
    event_id: int = one.trade.event_id if isinstance(one, TradeFailed) else one.event_id
    return event_id
