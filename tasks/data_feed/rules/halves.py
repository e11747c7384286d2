"""Divides a batch that the feed cannot store whole, so that the feed stores all of it except the culprit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from tasks.messages import FeedBatch, TradeFailed
from tasks.shared.rules import coverage

# Lists with an entry for each event of the engine; the event's id says on which side an entry belongs.
_OF_EVENTS = (
    "trades",
    "closed",
    "refused",
    "replaced",
    "replaces_refused",
    "triggered",
    "settled",
    "failed",
    "securities",
)
# Lists that are divided in the middle, each with the lists that run parallel to it.
_IN_THE_MIDDLE = (("orders", "asked_us"), ("books",), ("auctions",))


def halves_of(batch: FeedBatch) -> tuple[FeedBatch, FeedBatch] | None:
    """Return two batches that together report the same as one, the earlier half first; None for a single entry.

    If a batch is divided between two events, each half covers its share. Reports of requests and changes of books and
    auctions do not say where in the log they belong, so dividing them gives halves that cover nothing.
    """
    event_ids = sorted({_event_id(entry) for name in _OF_EVENTS for entry in getattr(batch, name)})
    kinds = [names for names in (_OF_EVENTS, *_IN_THE_MIDDLE) if any(getattr(batch, name) for name in names)]
    if len(kinds) > 1:
        return _apart(batch, kinds[0])
    if len(event_ids) > 1:
        return _at(batch, event_ids[len(event_ids) // 2])
    if event_ids or not kinds:
        return None
    return _in_the_middle(batch, kinds[0])


def _apart(batch: FeedBatch, names: Sequence[str]) -> tuple[FeedBatch, FeedBatch]:
    """Separate some lists from the others; neither half covers anything, as only both together do."""
    others: dict[str, list[Any]] = {
        name: [] for kind in (_OF_EVENTS, *_IN_THE_MIDDLE) for name in kind if name not in names
    }
    return replace(batch, covers=[], **others), replace(batch, covers=[], **{name: [] for name in names})


def _in_the_middle(batch: FeedBatch, names: Sequence[str]) -> tuple[FeedBatch, FeedBatch] | None:
    middle = len(getattr(batch, names[0])) // 2
    if not middle:
        return None
    first: dict[str, list[Any]] = {name: getattr(batch, name)[:middle] for name in names}
    second: dict[str, list[Any]] = {name: getattr(batch, name)[middle:] for name in names}
    return replace(batch, covers=[], **first), replace(batch, covers=[], **second)


def _at(batch: FeedBatch, event_id: int) -> tuple[FeedBatch, FeedBatch]:
    """Divide a batch between the events before one and those from it on."""
    before: dict[str, list[Any]] = {}
    after: dict[str, list[Any]] = {}
    for name in _OF_EVENTS:
        entries = getattr(batch, name)
        before[name] = [entry for entry in entries if _event_id(entry) < event_id]
        after[name] = [entry for entry in entries if _event_id(entry) >= event_id]
    return (
        replace(batch, **before, covers=coverage.clipped(batch.covers, 0, event_id)),
        replace(batch, **after, covers=coverage.clipped(batch.covers, event_id, coverage.LAST)),
    )


def _event_id(entry: Any) -> int:
    event_id: int = entry.trade.event_id if isinstance(entry, TradeFailed) else entry.event_id
    return event_id
