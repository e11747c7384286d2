"""The rules of the trading day: which phases of which securities begin at which time.

They are a pure function of the clock and the database, so it does not matter how often the scheduler rings, or whether
it was down for a while.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from tasks.messages import Phase, PhaseCause
from tasks.order_entry.rules.trading_rows import PhaseOfSecurity
from tasks.shared.rules.market import Day

# The phases of the day's steps, in their order.
STEPS: Final[tuple[Phase, ...]] = ("auction", "continuous", "auction", "closed")


class Step(NamedTuple):
    """A step of the schedule, by its place in the day, from one time to another."""

    place: int
    begins_us: int
    ends_us: int


class DuePhase(NamedTuple):
    """A phase that a security enters at a given time."""

    due_us: int
    security_id: str
    shard: int
    phase: Phase
    cause: PhaseCause
    ends_us: int | None


def steps_due(day: Day, *, last: int | None, ends_us: int | None, now_us: int) -> list[Step]:
    """Return the steps that begin after the last one and up to now, at their scheduled times.

    A step of zero length is left out. After an absence of several days only the last whole day is caught up on, because
    repeating a day has no further effect.

    last, ends_us  the step that began last and its end; None when no day has begun yet, and then one begins now
    """
    if not day.is_scheduled:
        return []
    durations = (day.opening_auction_us, day.continuous_us, day.closing_auction_us, day.closed_us)
    place = -1 if last is None else last
    begins_us = now_us if ends_us is None else ends_us
    whole_us = sum(durations)
    begins_us += max((now_us - begins_us) // whole_us - 1, 0) * whole_us
    steps: list[Step] = []
    while begins_us <= now_us:
        place = (place + 1) % len(durations)
        if durations[place]:
            steps.append(Step(place, begins_us, begins_us + durations[place]))
            begins_us += durations[place]
    return steps


def phases_due(
    securities: Iterable[PhaseOfSecurity],
    steps: Sequence[Step],
    *,
    is_scheduled: bool,
    first_auction_us: int,
    now_us: int,
) -> list[DuePhase]:
    """Return the phases that begin up to now, by their times.

    first_auction_us  length of the auction with which a new exchange without a schedule begins [us]
    """
    due = [
        one for security in securities for one in _of_security(security, steps, is_scheduled, first_auction_us, now_us)
    ]
    return sorted(due, key=lambda one: one.due_us)


def _of_security(
    security: PhaseOfSecurity, steps: Sequence[Step], is_scheduled: bool, first_auction_us: int, now_us: int
) -> Iterator[DuePhase]:
    name = security.security_id, security.shard
    phase, cause, ends_us = security.phase, security.cause, security.ends_us
    if is_scheduled and cause == "schedule":
        ends_us = None  # the next step ends it
    elif phase == "auction" and cause == "schedule" and ends_us is None:
        yield DuePhase(now_us, *name, "auction", "schedule", now_us + first_auction_us)
        return
    for step in steps:
        if ends_us is not None and ends_us <= step.begins_us:
            yield DuePhase(ends_us, *name, "continuous", cause or "admin", None)
            phase, ends_us = "continuous", None
        if cause == "admin" and phase in ("halted", "closed"):
            continue  # a phase that the operator set lasts until the operator sets another
        phase, cause, ends_us = STEPS[step.place], "schedule", None
        yield DuePhase(step.begins_us, *name, STEPS[step.place], "schedule", step.ends_us)
    if ends_us is not None and ends_us <= now_us:
        yield DuePhase(ends_us, *name, "continuous", cause or "admin", None)
