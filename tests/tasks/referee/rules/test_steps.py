"""A competition from the registration to its end, step by step."""

from __future__ import annotations

import pytest

from tasks.referee.rules.steps import Place, Step, after, extended, paused, resumed, started, stopped
from tests.tasks.referee.rules.cases import case

S = 1_000_000
CASE = case(rounds=2, round_us=60 * S, break_us=5 * S, auction_us=2 * S)


def test_two_rounds() -> None:
    now, seen, place = 0, [], after(CASE, Place("registration", "listing", 0), now_us=0)
    assert place == Place("registration", "open", 0)
    begun = started(CASE, place, now_us=0)
    assert begun is not None
    place = begun
    while place.step != "over":
        seen.append((place.state, place.step, place.round, place.ends_us, place.step_ends_us))
        now = place.step_ends_us or now + S
        place = after(CASE, place, now_us=now)
    first = [
        ("running", "clearing", 1, 64 * S, None),
        ("running", "endowing", 1, 64 * S, None),
        ("running", "auction", 1, 66 * S, 4 * S),
        ("running", "trading", 1, 66 * S, 64 * S),
        ("running", "closing_auction", 1, 66 * S, 66 * S),
        ("running", "settlement", 1, 66 * S, None),
        ("break", "break", 1, 72 * S, 72 * S),
    ]
    assert seen[:7] == first
    assert [row[:3] for row in seen[7:]] == [("running", step, 2) for _, step, *_ in first[:6]]
    assert place == Place("finished", "over", 2)


def test_a_round_that_was_late_to_close_has_its_whole_closing_auction() -> None:
    place = Place("running", "trading", 1, 66 * S, 64 * S, 4 * S)
    assert after(CASE, place, now_us=70 * S) == Place("running", "closing_auction", 1, 72 * S, 72 * S, 4 * S)


@pytest.mark.parametrize("step", ["open", "over"])
def test_nothing_comes_by_itself_after_the_registration_or_the_end(step: Step) -> None:
    with pytest.raises(ValueError, match=step):
        after(CASE, Place("registration", step, 0), now_us=0)


def test_only_a_registration_is_started_and_whatever_is_not_over_is_stopped() -> None:
    running = Place("running", "trading", 1, 66 * S, 64 * S, 4 * S)
    assert started(CASE, running, now_us=0) is None
    assert stopped(running) == Place("stopped", "ending", 1)
    assert stopped(Place("registration", "open", 0)) == Place("stopped", "ending", 0)
    assert stopped(Place("finished", "over", 2)) is None
    assert stopped(Place("stopped", "ending", 1)) is None
    assert after(CASE, Place("stopped", "ending", 1), now_us=0) == Place("stopped", "over", 1)


def test_a_pause_makes_everything_later_and_an_extension_only_the_end() -> None:
    trading = Place("running", "trading", 1, 66 * S, 64 * S, 4 * S)
    waiting = paused(trading)
    assert waiting == trading._replace(step="paused")
    assert waiting is not None
    going_on = resumed(waiting, pause_us=10 * S)
    assert going_on == Place("running", "resuming", 1, 76 * S, 74 * S, 14 * S)
    assert going_on is not None
    assert after(CASE, going_on, now_us=0) == going_on._replace(step="trading")
    assert extended(trading, 60 * S) == Place("running", "trading", 1, 126 * S, 124 * S, 4 * S)
    assert [move for move in (paused(waiting), resumed(trading, pause_us=0)) if move] == []
    assert extended(Place("break", "break", 1, 5 * S, 5 * S), S) is None
