"""The trading day as rules: steps at their times, also after an absence, and the phases of securities."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.order_entry.rules.day import STEPS, DuePhase, Step, phases_due, steps_due
from tasks.order_entry.rules.trading_rows import PhaseOfSecurity
from tasks.shared.rules.market import Day

S = 1_000_000
DAY = Day(10 * S, 100 * S, 5 * S, 20 * S)  # 135 s
BEGAN = 1_000 * S


def security(phase: str, cause: str | None = None, ends_us: int | None = None) -> PhaseOfSecurity:
    return PhaseOfSecurity("MSFT", 1, phase, cause, ends_us)


def due(
    one: PhaseOfSecurity, *steps: Step, scheduled: bool = False, first_s: int = 8, now_us: int = BEGAN
) -> list[tuple[object, ...]]:
    """(due, phase, cause, end) of what is due."""
    found = phases_due([one], steps, is_scheduled=scheduled, first_auction_us=first_s * S, now_us=now_us)
    assert all(one[1:3] == ("MSFT", 1) for one in found)
    return [(one.due_us, *one[3:]) for one in found]


def test_the_day_begins_with_the_first_tick() -> None:
    assert steps_due(DAY, last=None, ends_us=None, now_us=BEGAN) == [Step(0, BEGAN, BEGAN + 10 * S)]


@pytest.mark.parametrize(
    ("late_s", "steps"),
    [
        (-1, []),
        (0, [(1, 0, 100)]),
        (99, [(1, 0, 100)]),
        (100, [(1, 0, 100), (2, 100, 105)]),
        (130, [(1, 0, 100), (2, 100, 105), (3, 105, 125), (0, 125, 135)]),
    ],
)
def test_steps_follow_each_other_at_the_times_of_the_schedule(late_s: int, steps: list[tuple[int, int, int]]) -> None:
    found = steps_due(DAY, last=0, ends_us=BEGAN, now_us=BEGAN + late_s * S)
    assert [(step.place, (step.begins_us - BEGAN) // S, (step.ends_us - BEGAN) // S) for step in found] == steps


@given(late_s=st.integers(0, 10**9))
def test_however_long_the_scheduler_was_away_the_clock_is_that_of_the_schedule(late_s: int) -> None:
    now_us = BEGAN + late_s * S
    found = steps_due(DAY, last=0, ends_us=BEGAN, now_us=now_us)
    assert 0 < len(found) <= 12
    assert found[-1].begins_us <= now_us < found[-1].ends_us
    assert all(one.ends_us == other.begins_us for one, other in itertools.pairwise(found))
    assert all(other.place == (one.place + 1) % 4 for one, other in itertools.pairwise(found))
    assert (found[-1].ends_us - BEGAN) % (135 * S) in {100 * S, 105 * S, 125 * S, 0}


def test_steps_without_time_are_left_out() -> None:
    found = steps_due(Day(continuous_us=10 * S, closed_us=5 * S), last=None, ends_us=None, now_us=BEGAN)
    assert found == [Step(1, BEGAN, BEGAN + 10 * S)]
    assert [step.place for step in steps_due(Day(0, 10 * S, 0, 5 * S), last=1, ends_us=BEGAN, now_us=BEGAN)] == [3]


def test_without_a_schedule_there_are_no_steps() -> None:
    assert steps_due(Day(), last=None, ends_us=None, now_us=BEGAN) == []


@pytest.mark.parametrize("cause", ["admin", "volatility", "schedule"])
def test_a_phase_that_is_over_becomes_continuous_trading(cause: str) -> None:
    one = security("auction", cause, BEGAN)
    assert due(one, now_us=BEGAN - 1) == []
    assert due(one) == [(BEGAN, "continuous", cause, None)]


def test_a_phase_without_an_end_stays() -> None:
    for phase in ("auction", "halted", "closed"):
        assert due(security(phase, "admin")) == []
    assert due(security("continuous")) == []


def test_the_first_auction_gets_its_end_from_the_first_tick() -> None:
    assert due(security("auction", "schedule")) == [(BEGAN, "auction", "schedule", BEGAN + 8 * S)]


def test_a_step_is_for_every_security_but_those_that_the_operator_has_stopped() -> None:
    step = Step(3, BEGAN, BEGAN + 20 * S)
    closes = [(BEGAN, "closed", "schedule", BEGAN + 20 * S)]
    for one in (security("continuous"), security("auction", "volatility"), security("auction", "admin", BEGAN + S)):
        assert due(one, step, scheduled=True) == closes
    for one in (security("halted", "admin"), security("closed", "admin")):
        assert due(one, step, scheduled=True) == []


def test_what_the_schedule_began_it_ends_itself() -> None:
    assert due(security("auction", "schedule", BEGAN), scheduled=True) == []


def test_after_an_absence_everything_comes_in_the_order_of_its_time() -> None:
    steps = [Step(2, BEGAN + 10, BEGAN + 20), Step(3, BEGAN + 20, BEGAN + 30)]
    assert due(security("auction", "volatility", BEGAN + 5), *steps, scheduled=True, now_us=BEGAN + 25) == [
        (BEGAN + 5, "continuous", "volatility", None),
        (BEGAN + 10, "auction", "schedule", BEGAN + 20),
        (BEGAN + 20, "closed", "schedule", BEGAN + 30),
    ]


def test_a_halt_that_ends_between_two_steps_ends_before_the_second() -> None:
    steps = [Step(2, BEGAN, BEGAN + 10), Step(3, BEGAN + 10, BEGAN + 20)]
    assert [
        one[1] for one in due(security("halted", "admin", BEGAN + 5), *steps, scheduled=True, now_us=BEGAN + 12)
    ] == [
        "continuous",
        "closed",
    ]


def test_securities_are_in_the_order_of_time() -> None:
    late = PhaseOfSecurity("AAPL", 0, "auction", "admin", BEGAN)
    early = PhaseOfSecurity("MSFT", 1, "auction", "admin", BEGAN - 1)
    found = phases_due([late, early], [], is_scheduled=False, first_auction_us=0, now_us=BEGAN)
    assert [type(one) for one in found] == [DuePhase] * 2
    assert [one.security_id for one in found] == ["MSFT", "AAPL"]


def test_the_steps_are_two_auctions_and_what_lies_between() -> None:
    assert STEPS == ("auction", "continuous", "auction", "closed")
