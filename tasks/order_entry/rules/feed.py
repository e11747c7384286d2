"""Reports of order entry to the feed: confirmations travel through the engines' workers, denials go directly.

A confirmed request is a command. The engine's worker sends its report together with the events of the command: one
message to the feed instead of two. The report says which commands of the log it covers. If it is lost on the way, the
catch-up derives it from the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Raw
from msgspec.structs import replace

from tasks.messages import (
    Command,
    CommandBatch,
    Expire,
    FeedBatch,
    MoveCommand,
    OrderReport,
    PlaceOrder,
    SecurityCommand,
    encode,
)
from tasks.order_entry.rules.outcome import MAX_BATCH
from tasks.shared.rules import coverage

# Commands that no client asked for.
_WITHOUT_REPORT = Expire | SecurityCommand | MoveCommand


def with_reports(
    commands: Sequence[CommandBatch],
    reports: Sequence[OrderReport],
    asked_us: Mapping[int, int | None],
    *,
    began_us: int,
    now_us: int,
) -> tuple[list[CommandBatch], list[FeedBatch]]:
    """Return the messages to the engines with the reports of their commands, and messages to the feed with all others.

    A message that lacks one of its reports here carries no report, and the catch-up derives all of its reports.

    commands  the batch's commands in the log, whether new or already there
    asked_us  when the api sent the request of a report, by its number
    """
    by_number = {report.event_id: report for report in reports}
    batches = []
    for batch in commands:
        numbers = [number_of(command) for command in batch.commands if not isinstance(command, _WITHOUT_REPORT)]
        if not all(number in by_number for number in numbers):
            batches.append(batch)
            continue
        carried = [by_number.pop(number) for number in numbers]
        covers = [coverage.commands(batch.shard, batch.first_seq, batch.first_seq + len(batch.commands))]
        feed = _feed(carried, asked_us, covers, began_us=began_us, now_us=now_us)
        batches.append(replace(batch, reports=[Raw(encode(feed))]))
    left = list(by_number.values())
    parts = [left[start : start + MAX_BATCH] for start in range(0, len(left), MAX_BATCH)]
    return batches, [_feed(part, asked_us, [], began_us=began_us, now_us=now_us) for part in parts]


def number_of(command: Command) -> int:
    """Return the number of the request that caused a command."""
    return command.order_id if isinstance(command, PlaceOrder) else command.command_id


def _feed(
    reports: list[OrderReport],
    asked_us: Mapping[int, int | None],
    covers: list[coverage.Interval],
    *,
    began_us: int,
    now_us: int,
) -> FeedBatch:
    return FeedBatch(
        stage="order_entry",
        sent_us=now_us,
        orders=reports,
        began_us=began_us,
        asked_us=[asked_us.get(report.event_id) for report in reports],
        covers=covers,
    )
