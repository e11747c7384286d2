"""A shard stops when it differs from the log, and marks only what it has published."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import Raw
from sqlalchemy import text

from celery_app.faults import InvariantBroken
from celery_app.publisher import NotSent, Parcel
from db.clearing_data.snapshots import published_mark
from db.connect import Database
from tasks.matching.shard import CommandsRefused, Shard
from tasks.messages import CommandBatch, PlaceOrder
from tests.support.order_log import append


def buy(order_id: int) -> PlaceOrder:
    return PlaceOrder(order_id, "ANN", "MSFT", "limit", "buy", 10, 10_000, "gtc", False, 1)


def applied(clearing_data: Database, *, logged: PlaceOrder, delivered: PlaceOrder) -> Shard:
    """Return a shard that has applied a delivered command, while the log has this or another one."""
    shard = Shard(0, clearing_data)
    shard.recover()
    append(clearing_data, 0, [logged])
    shard.take(CommandBatch(0, 1, [delivered]))
    assert shard.seq == 1
    return shard


def test_a_command_that_agrees_with_the_log_passes(clearing_data: Database) -> None:
    shard = applied(clearing_data, logged=buy(7), delivered=buy(7))
    shard.check_log()


@pytest.mark.parametrize("look", ["check_log", "follow_log"])
def test_a_command_that_differs_from_the_log_stops_the_shard(clearing_data: Database, look: str) -> None:
    shard = applied(clearing_data, logged=buy(7), delivered=buy(8))
    with pytest.raises(InvariantBroken, match="command 1 of shard 0 differs from the log"):
        getattr(shard, look)()


def resting(shard: Shard) -> list[int]:
    """Return the orders in the book, by priority."""
    return [order.order_id for book in shard._engine.state().books for order in book.bids]


class Outage:
    """A RabbitMQ that takes no messages."""

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        raise NotSent("away")


def test_the_mark_does_not_pass_unpublished_events(clearing_data: Database) -> None:
    shard = applied(clearing_data, logged=buy(7), delivered=buy(7))
    with pytest.raises(NotSent):
        shard.publish(Outage(), began_us=1, now_us=1)
    shard.write_mark()
    with clearing_data.snapshot() as tx:
        assert published_mark(tx, 0) == 0
    assert shard.unsent == 2  # the whole book, and the indicative outcome of its auction


class Sent:
    """A RabbitMQ that takes every message."""

    def __init__(self) -> None:
        self.reports: list[Raw] = []

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        self.reports += [report for parcel in parcels for report in parcel.first]


def test_reports_are_passed_on_whenever_their_commands_are_delivered(clearing_data: Database) -> None:
    """The engine may have the commands from the log, as after a crash; only their message has the reports."""
    shard = applied(clearing_data, logged=buy(7), delivered=buy(7))
    append(clearing_data, 0, [buy(8)])
    shard.follow_log()
    reports = [Raw(b'["order_entry",1]')]
    sent = Sent()
    for _ in range(2):
        shard.take(CommandBatch(0, 2, [buy(8)], reports))
        shard.publish(sent, began_us=1, now_us=1)
    assert sent.reports == reports * 2
    with pytest.raises(CommandsRefused):
        shard.take(CommandBatch(0, 4, [buy(9)], reports))
    shard.publish(sent, began_us=1, now_us=1)
    assert sent.reports == reports * 2


def test_a_batch_that_is_delivered_again_is_applied_once(clearing_data: Database) -> None:
    shard = applied(clearing_data, logged=buy(7), delivered=buy(7))
    shard.take(CommandBatch(0, 1, [buy(7)]))
    assert shard.seq == 1
    append(clearing_data, 0, [buy(8)])
    shard.take(CommandBatch(0, 1, [buy(7), buy(8)]))
    assert shard.seq == 2
    assert resting(shard) == [7, 8]


def test_commands_whose_message_was_lost_are_read_from_the_log(clearing_data: Database) -> None:
    shard = applied(clearing_data, logged=buy(7), delivered=buy(7))
    append(clearing_data, 0, [buy(8), buy(9), buy(10)])
    shard.take(CommandBatch(0, 4, [buy(10)]))
    assert shard.seq == 4
    assert resting(shard) == [7, 8, 9, 10]


def test_a_log_with_a_hole_is_not_replayed(clearing_data: Database) -> None:
    append(clearing_data, 0, [buy(7), buy(8), buy(9)])
    with clearing_data.transaction() as tx:
        tx.execute(text("DELETE FROM order_log WHERE shard = 0 AND seq = 2"))
    with pytest.raises(InvariantBroken, match="command 2 is missing in the log of shard 0"):
        Shard(0, clearing_data).recover()
