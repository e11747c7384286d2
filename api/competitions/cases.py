"""Turn the body of a request into a consistent case, or locate every fault in it."""

from __future__ import annotations

from collections.abc import Iterator

from api.competitions.house import faults_of_house
from api.wire.competition_bodies import NewCompetition
from api.wire.limits import changes_of
from api.wire.problems import Problem, pointer_part
from tasks.referee.rules.case import Case, CaseNews, CaseSecurity, Duty, Fault, House, faults_of

# A problem lists at most this many faults.
MAX_FAULTS = 50


def case_of(wanted: NewCompetition) -> Case:
    """Return the case of a body. Raises Problem (422) with every fault."""
    case = _read(wanted)
    faults = list(_all_faults(case))[:MAX_FAULTS]
    if faults:
        raise Problem(
            422,
            "validation_error",
            "the case is not valid",
            errors=[{"pointer": _pointer(one), "detail": one.detail} for one in faults],
        )
    return case


def _pointer(fault: Fault) -> str:
    return fault.pointer if fault.name is None else f"{fault.pointer}/{pointer_part(fault.name)}"


def _all_faults(case: Case) -> Iterator[Fault]:
    yield from faults_of(case)
    for place, house in enumerate(case.house):
        yield from faults_of_house(house, f"/house/{place}", securities=len(case.securities))


def _read(wanted: NewCompetition) -> Case:
    duty = wanted.duty
    return Case(
        name=wanted.name,
        rounds=wanted.rounds,
        round_us=wanted.round_seconds,
        break_us=wanted.break_seconds,
        auction_us=wanted.auction_seconds,
        securities=[
            CaseSecurity(
                security_id=one.security_id,
                reference_cents=one.reference_price,
                tick_cents=one.tick,
                min_price_cents=one.min_price,
                max_price_cents=one.max_price,
                issued=one.issued or 0,
                maker_fee_ppm=one.maker_fee,
                taker_fee_ppm=one.taker_fee,
                band_ppm=one.band,
            )
            for one in wanted.securities
        ],
        cash_cents=wanted.endowment.cash,
        shares={name: quantity for name, quantity in wanted.endowment.shares.items() if quantity},
        limits=changes_of(wanted.limits),
        house=[House(strategy=one.strategy, count=one.count, options=one.options) for one in wanted.house],
        news=[
            CaseNews(
                at_us=one.at,
                headline=one.headline,
                body=one.body,
                security_id=one.security_id,
                change=one.change,
                round=one.round,
            )
            for one in wanted.news
        ],
        scoring=wanted.scoring,
        final=wanted.final,
        max_teams=wanted.max_teams,
        duty=None
        if duty is None
        else Duty(
            max_spread_cents=duty.max_spread,
            quantity=duty.quantity,
            presence=duty.presence,
            penalty_cents=duty.penalty,
        ),
    )
