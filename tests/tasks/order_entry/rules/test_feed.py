"""Each report of order entry travels once: that of a command with the command, a denial on its own."""

from __future__ import annotations

from typing import Literal

from msgspec.json import decode, encode

from tasks.messages import (
    CancelOrder,
    CommandBatch,
    FeedBatch,
    MassCancel,
    OrderReport,
    PlaceOrder,
    SetPhase,
)
from tasks.order_entry.rules.feed import with_reports
from tasks.order_entry.rules.outcome import MAX_BATCH
from tasks.shared.rules import coverage

PLACE = PlaceOrder(1, "ANN", "MSFT", "limit", "buy", 5, 10_000, "gtc", False, 7)
CANCEL = CancelOrder(2, "ANN", "MSFT", 1, 7)
PHASE = SetPhase(3, "MSFT", "halted", "admin", None, 7)
MASS_CANCEL = MassCancel(4, "BOB", [1], 7)


def report(number: int, status: Literal["confirmed", "denied"] = "confirmed") -> OrderReport:
    return OrderReport(number, "order", status, number, "ANN", "MSFT", "buy", 5, 10_000, None, 3, 7)


def split(commands: list[CommandBatch], reports: list[OrderReport]) -> tuple[list[FeedBatch], list[FeedBatch]]:
    """Return what travels with the commands, and what goes to the feed directly."""
    asked_us: dict[int, int | None] = {1: 11, 4: 14, 9: 19}
    batches, feeds = with_reports(commands, reports, asked_us, began_us=6, now_us=8)
    assert [(b.shard, b.first_seq, b.commands) for b in batches] == [
        (b.shard, b.first_seq, b.commands) for b in commands
    ]
    return [decode(raw, type=FeedBatch) for batch in batches for raw in batch.reports], feeds


def test_reports_of_commands_travel_with_them_and_denials_directly() -> None:
    commands = [CommandBatch(0, 5, [PLACE, PHASE]), CommandBatch(1, 9, [MASS_CANCEL, CANCEL])]
    carried, direct = split(commands, [report(9, "denied"), report(1), report(2), report(4), report(8, "denied")])
    assert [(feed.stage, feed.began_us, feed.sent_us) for feed in carried + direct] == [("order_entry", 6, 8)] * 3
    assert [([one.event_id for one in feed.orders], feed.asked_us, feed.covers) for feed in carried] == [
        ([1], [11], [coverage.commands(0, 5, 7)]),
        ([4, 2], [14, None], [coverage.commands(1, 9, 11)]),
    ]
    assert [([one.event_id for one in feed.orders], feed.asked_us, feed.covers) for feed in direct] == [
        ([9, 8], [19, None], [])
    ]


def test_commands_without_a_report_are_covered() -> None:
    """No client asked for what a tick sequences, and no client gets a report of a halt."""
    carried, direct = split([CommandBatch(0, 5, [PHASE])], [])
    assert [(feed.orders, feed.covers) for feed in carried] == [([], [coverage.commands(0, 5, 6)])]
    assert direct == []


def test_a_message_of_which_a_report_is_missing_carries_none() -> None:
    """As that of an earlier tick, which has ended before it sent what it sequenced."""
    carried, direct = split([CommandBatch(0, 5, [PLACE, CANCEL]), CommandBatch(0, 7, [PHASE])], [report(9, "denied")])
    assert [(feed.orders, feed.covers) for feed in carried] == [([], [coverage.commands(0, 7, 8)])]
    assert [[one.event_id for one in feed.orders] for feed in direct] == [[9]]


def test_many_denials_are_several_messages() -> None:
    carried, direct = split([], [report(number, "denied") for number in range(1, MAX_BATCH + 2)])
    assert carried == []
    assert [len(feed.orders) for feed in direct] == [MAX_BATCH, 1]


def test_messages_from_before_they_carried_reports_are_read() -> None:
    """And a worker from before that reads those of now, without their reports; the catch-up then derives them."""
    batch = with_reports([CommandBatch(0, 5, [PLACE])], [report(1)], {}, began_us=6, now_us=8)[0][0]
    old = b"[0,5,[%s]]" % encode(PLACE)
    assert decode(old, type=CommandBatch) == CommandBatch(0, 5, [PLACE])
    shard, first_seq, commands, _ = decode(encode(batch))
    assert decode(encode([shard, first_seq, commands]), type=CommandBatch).commands == batch.commands
