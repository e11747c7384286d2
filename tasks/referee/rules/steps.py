"""The steps of a competition: registration, then rounds of auction, trading, closing auction, settlement and scores.

A step is over when its work is done or its time is up. The referee moves from one step to the next by compare and set
in the database, so a restarted referee continues with the step in the database.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tasks.referee.rules.case import Case

State = Literal["registration", "running", "break", "finished", "stopped"]
Step = Literal[
    "listing",  # the securities of the first round, before the registration
    "open",  # registration, until the organiser starts
    "clearing",  # accounts are emptied, the round's securities are listed and closed
    "endowing",  # accounts get the endowment
    "auction",
    "trading",
    "paused",  # halted by the organiser
    "resuming",
    "closing_auction",
    "settlement",  # closed; then settled at the final values
    "break",
    "ending",  # after a stop: closed and settled
    "over",
]

# The steps that people see; the others are preparations.
SHOWN: dict[str, str] = {
    "auction": "auction",
    "trading": "trading",
    "paused": "paused",
    "resuming": "paused",
    "closing_auction": "closing_auction",
    "settlement": "settlement",
}
# The house bots trade in these steps.
TRADING_STEPS = frozenset({"auction", "trading", "closing_auction"})


class Place(NamedTuple):
    """The place of a competition in its steps; times are microseconds since 1970, None where the end is open."""

    state: State
    step: Step
    round: int
    ends_us: int | None = None
    step_ends_us: int | None = None
    trading_us: int | None = None


def after(case: Case, place: Place, *, now_us: int) -> Place:
    """Return the place after a completed step; `now_us` is the time of its completion."""
    match place.step:
        case "listing":
            return place._replace(step="open")
        case "clearing":
            return place._replace(step="endowing")
        case "endowing":
            trading_us = now_us + case.auction_us
            ends_us = trading_us + case.round_us + case.auction_us
            return place._replace(step="auction", ends_us=ends_us, step_ends_us=trading_us, trading_us=trading_us)
        case "auction":
            assert place.trading_us is not None, "an auction ends when trading begins"
            return place._replace(step="trading", step_ends_us=place.trading_us + case.round_us)
        case "trading":
            ends_us = now_us + case.auction_us
            return place._replace(step="closing_auction", ends_us=ends_us, step_ends_us=ends_us)
        case "resuming":
            return place._replace(step="trading")
        case "closing_auction":
            return place._replace(step="settlement", step_ends_us=None)
        case "settlement" if place.round < case.rounds:
            ends_us = now_us + case.break_us
            return Place("break", "break", place.round, ends_us, ends_us)
        case "settlement":
            return Place("finished", "over", place.round)
        case "break":
            return _beginning(case, place.round + 1, now_us)
        case "ending":
            return Place("stopped", "over", place.round)
    raise ValueError(f"nothing comes after {place.step} by itself")


def _beginning(case: Case, number: int, now_us: int) -> Place:
    # Preparation takes a moment: the end is an estimate until the auction begins.
    return Place("running", "clearing", number, now_us + case.round_us + 2 * case.auction_us)


def started(case: Case, place: Place, *, now_us: int) -> Place | None:
    """Return the place after the organiser starts the competition; None if that is not possible."""
    return _beginning(case, 1, now_us) if place.state == "registration" else None


def paused(place: Place) -> Place | None:
    """Return the place after the organiser pauses trading; None if there is no trading."""
    return place._replace(step="paused") if place.step == "trading" else None


def resumed(place: Place, *, pause_us: int) -> Place | None:
    """Return the place after the organiser resumes: all times move by the pause. None if there is no pause."""
    return _later(place._replace(step="resuming"), pause_us, begins_later=True) if place.step == "paused" else None


def extended(place: Place, by_us: int) -> Place | None:
    """Return the place after the organiser extends trading; None if there is no trading."""
    return _later(place, by_us) if place.step in ("trading", "paused") else None


def _later(place: Place, by_us: int, *, begins_later: bool = False) -> Place:
    assert place.ends_us is not None, "trading has an end"
    assert place.step_ends_us is not None, "trading has an end"
    assert place.trading_us is not None, "trading has begun"
    return place._replace(
        ends_us=place.ends_us + by_us,
        step_ends_us=place.step_ends_us + by_us,
        trading_us=place.trading_us + (by_us if begins_later else 0),
    )


def stopped(place: Place) -> Place | None:
    """Return the place after the organiser stops the competition; None if it is over."""
    if place.state in ("finished", "stopped"):
        return None
    return Place("stopped", "ending", place.round)
