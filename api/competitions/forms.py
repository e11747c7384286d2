"""Competitions as clients read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from api.wire.money import dollars
from api.wire.outgoing import time_or_none
from db.clearing_data.competition.competitions import Competition, Team
from db.clearing_data.competition.rounds import AccountWorth, RoundResult, RoundSecurity
from tasks.referee.rules import scoring
from tasks.referee.rules.scoring import ranks
from tasks.referee.rules.steps import SHOWN


def competition_of(found: Competition, *, teams: int, securities: Sequence[RoundSecurity]) -> dict[str, Any]:
    """Return the public form of a competition; it includes the seed only once the competition is finished."""
    content = {
        "competition_id": found.competition_id,
        "name": found.name,
        "state": found.state,
        "round": found.round,
        "rounds": found.case.rounds,
        "ends_at": time_or_none(found.ends_us),
        "teams": teams,
        "seed_sha256": found.seed_sha256,
        "max_teams": found.case.max_teams,
        "scoring": found.case.scoring,
        "final": found.case.final,
        "phase": SHOWN.get(found.step),
        "phase_ends_at": time_or_none(found.step_ends_us),
        "securities": [
            {"security_id": one.security_id, "name": one.named}
            for one in securities
            if one.round == max(found.round, 1)
        ],
    }
    return content | {"seed": found.seed} if found.state == "finished" else content


def live_gains(
    found: Competition,
    securities: Sequence[RoundSecurity],
    worth: Mapping[str, AccountWorth],
    prices: dict[str, int],
    received: Mapping[str, AccountWorth],
) -> dict[str, int]:
    """Return the gain of each account in the current round at the last prices [cents]; empty between rounds."""
    of_round = [one for one in securities if one.round == found.round]
    if found.step not in SHOWN or any(one.security_id not in prices for one in of_round):
        return {}
    now = prices | {one.security_id: one.value_cents for one in of_round if one.value_cents is not None}
    return scoring.live_gains(found.case, {one.named: one.security_id for one in of_round}, now, worth, received)


def standings_of(
    teams: Sequence[Team], results: Sequence[RoundResult], live: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return the teams by their points, best first; house bots have no rank."""
    ranked = [team for team in teams if not team.is_house]
    rounds: dict[str, list[RoundResult]] = {team.client_id: [] for team in ranked}
    for result in results:
        if result.client_id in rounds:
            rounds[result.client_id].append(result)
    points = {client_id: sum(one.points for one in some) for client_id, some in rounds.items()}
    rank = ranks(points)
    ranked.sort(key=lambda team: (rank[team.client_id], team.number))
    return [
        {
            "rank": rank[team.client_id],
            "team": team.team,
            "client_id": team.client_id,
            "points": hundredths(points[team.client_id]),
            "gain": dollars(sum(one.gain_cents for one in rounds[team.client_id])),
            "rounds": [
                {"round": one.round, "gain": dollars(one.gain_cents), "points": hundredths(one.points)}
                for one in rounds[team.client_id]
            ],
            "live_gain": dollars(live[team.client_id]) if team.client_id in live else None,
        }
        for team in ranked
    ]


def hundredths(points: int) -> Decimal:
    """Return points with two decimal places."""
    return Decimal(points).scaleb(-2)
