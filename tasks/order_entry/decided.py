"""Requests that order entry decided before: they leave their batch and are reported as they were decided then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from msgspec import structs
from sqlalchemy import Connection

from db.clearing_data.log import admission
from tasks.messages import OrderReport, OrderRequest, Request
from tasks.order_entry.rules.decisions import Dropped
from tasks.order_entry.rules.earlier import is_registered, is_same
from tasks.order_entry.rules.outcome import report
from tasks.order_entry.rules.rows import RegisteredOrder, Sequenced


class Decided(NamedTuple):
    """Earlier decisions, and what follows from them.

    numbers    numbers of the requests that are not to be decided again
    sequenced  their commands in the logs
    reports    their reports, sent to the clients once more; the feed stores each once
    dropped    requests whose number stands for another request
    """

    numbers: set[int]
    sequenced: list[Sequenced]
    reports: list[OrderReport]
    dropped: list[Dropped]


def decided_before(tx: Connection, batch: Mapping[int, Request], numbers: Collection[int], *, now_us: int) -> Decided:
    """Look up earlier decisions about the requests with these numbers. The caller holds the locks on the accounts."""
    sequenced = admission.sequenced(tx, numbers)
    denied = admission.denied(tx, numbers)
    registered = admission.registered(tx, [*sequenced, *denied])
    decided = Decided({*sequenced, *denied}, [], [], [])
    for number, logged in sequenced.items():
        if is_same(batch[number], logged.command):
            decided.sequenced.append(logged)
            _report(decided, batch[number], registered.get(number), None, now_us)
        else:
            decided.dropped.append(Dropped(batch[number], "number_reused"))
    for number, reason in denied.items():
        order = registered.get(number)
        if is_registered(batch[number], order) if order else not isinstance(batch[number], OrderRequest):
            _report(decided, batch[number], order, reason, now_us)
        else:
            decided.dropped.append(Dropped(batch[number], "number_reused"))
    return decided


def _report(decided: Decided, request: Request, order: RegisteredOrder | None, denied: str | None, now_us: int) -> None:
    if order is not None:
        # An event has one time: that of the copy that was decided, whenever this copy was sent.
        request = structs.replace(request, received_us=order.created_us)
    if (denial_report := report(request, denied, now_us)) is not None:
        decided.reports.append(denial_report)
