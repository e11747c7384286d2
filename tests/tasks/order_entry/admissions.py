"""Batches of requests taken through order entry, and the outcome by number."""

from __future__ import annotations

from db.connect import Database
from tasks.messages import PlaceOrder, Request
from tasks.order_entry.admit import Admission, admit
from tests.support.entry import LIMITS, assert_books_hold


def enter(database: Database, *requests: Request, now_us: int = 1_000) -> Admission:
    admission = admit(database, requests, limits=LIMITS, now_us=now_us)
    with database.transaction() as tx:
        assert_books_hold(tx)
    return admission


def commands(admission: Admission) -> dict[tuple[int, int], int]:
    """(shard, seq) of everything that went to the engines, and the number of its request."""
    return {
        (batch.shard, seq): command.order_id if isinstance(command, PlaceOrder) else command.command_id
        for batch in admission.commands
        for seq, command in enumerate(batch.commands, batch.first_seq)
    }


def reasons(admission: Admission) -> dict[int, str | None]:
    return {report.event_id: report.reason for report in admission.reports}
