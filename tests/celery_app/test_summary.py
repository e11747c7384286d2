"""What Flower says of a batch: its first and its last order, whatever kind of message it travels in."""

from __future__ import annotations

import msgspec

from celery_app.summary import summary
from tasks.messages import CancelRequest, CommandBatch, EntryBatch, FeedBatch, Tick
from tests.tasks.order_entry.rules.desks import order, placed


def test_the_first_and_the_last_order_of_all_messages() -> None:
    first = EntryBatch([order(17), order(18, security_id="AAPL")])
    last = EntryBatch([order(40), CancelRequest(41, "ANN", "TSLA", 5, 12)])
    assert summary([first]) == "MSFT 17 to AAPL 18"
    assert summary([first, last]).startswith("MSFT 17 to TSLA ")
    assert summary([EntryBatch([order(17)])]) == "MSFT 17"


def test_what_concerns_no_order_is_passed_over() -> None:
    assert summary([EntryBatch([Tick()]), EntryBatch([order(17)])]) == "MSFT 17"
    assert summary([EntryBatch([Tick()])]) == ""
    assert summary([]) == ""


def test_commands_and_reports() -> None:
    commands = CommandBatch(0, 1, [placed(order(17)), placed(order(19))], [msgspec.Raw(b"{}")])
    assert summary([commands]) == "MSFT 17 to MSFT 19"
    assert summary([FeedBatch("matching", 1, asked_us=[5])]) == ""
