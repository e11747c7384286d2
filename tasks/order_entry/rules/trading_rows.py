"""Rows of the trading day as values, free of SQLAlchemy, so that pure rules may take them."""

from __future__ import annotations

from typing import NamedTuple

from tasks.messages import PhaseCause
from tasks.shared.rules.market import Day
from tasks.shared.rules.securities import SecurityPhase


class Range(NamedTuple):
    """Commands of a shard that follow each other in its log."""

    shard: int
    first_seq: int
    last_seq: int


class Progress(NamedTuple):
    """The progress of the trading day.

    step, step_ends_us  which of the day's steps began last, and when it ends; None before the first one
    unsent              sequenced commands that may not be on the queues of the engines yet
    """

    day: Day
    first_auction_us: int
    step: int | None
    step_ends_us: int | None
    unsent: list[Range]


class PhaseOfSecurity(NamedTuple):
    """The phase of a security, whose row is locked."""

    security_id: str
    shard: int
    phase: SecurityPhase
    cause: PhaseCause | None
    ends_us: int | None


class ExpiredOrder(NamedTuple):
    """An order whose time is over, and its shard."""

    expires_us: int
    order_id: int
    shard: int
