"""Samples of the gains of each account of a competition, for curves."""

from __future__ import annotations

import time

from sqlalchemy import Connection

from celery_app.clock import now_us
from db.clearing_data.competition import competitions, referee_reads
from db.clearing_data.competition import rounds as competition_rounds
from db.clearing_data.competition.competitions import Competition
from db.clearing_data.competition.rounds import Sample
from db.connect import Database
from tasks.referee.rules.duty import does_quote
from tasks.referee.rules.scoring import live_gains

# Time between two samples [s], and at least this part of a round, so that a round has at most a few hundred samples.
EVERY_S = 1.0
_PARTS = 300


class Sampler:
    """Samples one competition."""

    def __init__(self, clearing_data: Database) -> None:
        self._db = clearing_data
        self._due_s = 0.0

    def sample(self, found: Competition) -> None:
        """Enter a sample if one is due."""
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + max(EVERY_S, found.case.round_us / 1e6 / _PARTS)
        with self._db.transaction() as tx:
            of_round = [one for one in competition_rounds.securities(tx, found.number) if one.round == found.round]
            gains = live_gains(
                found.case,
                {one.named: one.security_id for one in of_round},
                competition_rounds.last_prices(tx, found.number),
                competition_rounds.worth(tx, found.number),
                competition_rounds.received(tx, found.number, found.competition_id, found.round),
            )
            quotes = _quotes(tx, found, [one.security_id for one in of_round])
            competition_rounds.add_sample(tx, found.number, Sample(found.round, now_us(), gains, quotes))


def _quotes(tx: Connection, found: Competition, security_ids: list[str]) -> dict[str, int] | None:
    """Return which teams meet their duty to quote; None if the case has no such duty."""
    duty = found.case.duty
    if duty is None or found.step != "trading":
        return None
    teams = [team.client_id for team in competitions.teams(tx, found.number) if not team.is_house]
    return {
        client_id: int(does_quote(orders, duty, security_ids))
        for client_id, orders in referee_reads.resting(tx, teams).items()
    }
