"""What order entry reports to the feed, as messages that say which commands of the log they cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.messages import CommandBatch, FeedBatch, OrderReport, PlaceOrder
from tasks.order_entry.rules.outcome import MAX_BATCH
from tasks.shared.rules import coverage
from tasks.shared.rules.coverage import Interval


def feed_of(
    reports: Sequence[OrderReport],
    commands: Sequence[CommandBatch],
    asked_us: Mapping[int, int | None],
    *,
    began_us: int,
    now_us: int,
) -> list[FeedBatch]:
    """The messages of a unit, none of them too large.

    commands  what went into the log of the unit, or was there before; with a report each, but for halts
    asked_us  when the api had sent the request of a report, by its number
    """
    parts = [reports[start : start + MAX_BATCH] for start in range(0, len(reports), MAX_BATCH)] or [reports]
    return [
        FeedBatch(
            stage="order_entry",
            sent_us=now_us,
            orders=list(part),
            began_us=began_us,
            asked_us=[asked_us.get(report.event_id) for report in part],
            covers=covers,
        )
        for part, covers in zip(parts, _covers(parts, commands), strict=True)
        if part or covers
    ]


def _covers(parts: Sequence[Sequence[OrderReport]], commands: Sequence[CommandBatch]) -> list[list[Interval]]:
    """Which commands each part covers: those that it has the reports of, and the last one those without a report."""
    everything = [coverage.commands(b.shard, b.first_seq, b.first_seq + len(b.commands)) for b in commands]
    if len(parts) == 1:
        return [everything]
    places = {
        command.order_id if isinstance(command, PlaceOrder) else command.command_id: (batch.shard, seq)
        for batch in commands
        for seq, command in enumerate(batch.commands, batch.first_seq)
    }
    covers = [
        coverage.merged(
            coverage.commands(shard, seq, seq + 1)
            for shard, seq in (places[report.event_id] for report in part if report.event_id in places)
        )
        for part in parts
    ]
    named = [interval for intervals in covers for interval in intervals]
    covers[-1] = coverage.merged([*covers[-1], *coverage.without(everything, named)])
    return covers
