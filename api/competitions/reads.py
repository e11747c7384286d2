"""Public routes of competitions: their state and their standings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response
from sqlalchemy import Connection

from api.competitions.forms import competition_of, live_gains, standings_of
from api.request.databases import reading
from api.request.shared import SharedValue
from api.wire.answers import answer, encode
from api.wire.answers_schema.common import Rows
from api.wire.answers_schema.competitions import Competition as CompetitionForm
from api.wire.answers_schema.competitions import CompetitionStanding
from api.wire.declaration import JSON, declared
from api.wire.problems import not_found
from db.clearing_data.competition import competitions
from db.clearing_data.competition import rounds as competition_rounds
from db.clearing_data.competition.competitions import Competition
from db.connect import Database

# Requests within this time get the same standings [s], which are remembered for at most this many competitions.
REMEMBER_S = 0.5
_MOST_REMEMBERED = 1_000


def routes(*, clearing_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("competition_reads", __name__)
    boards: dict[str, SharedValue[bytes]] = {}
    all_of_them = SharedValue(lambda: encode({"data": _every(clearing_data)}), remember_s=REMEMBER_S)

    @blueprint.get("/competitions")
    @declared("public", "All competitions, newest first", gives={200: Rows[CompetitionForm]})
    def every() -> Response:
        return Response(all_of_them.get(), content_type=JSON)

    @blueprint.get("/competitions/<competition_id>")
    @declared("public", "A competition: its state, its round, and when that ends", gives={200: CompetitionForm})
    def one(competition_id: str) -> Response:
        with reading(clearing_data) as tx:
            return answer(form_of(tx, existing(tx, competition_id)))

    @blueprint.get("/competitions/<competition_id>/standings")
    @declared("public", "The teams of a competition by their points", gives={200: Rows[CompetitionStanding]})
    def standings(competition_id: str) -> Response:
        board = boards.get(competition_id)
        if board is None:
            with reading(clearing_data) as tx:
                existing(tx, competition_id)
            if len(boards) >= _MOST_REMEMBERED:
                boards.clear()
            board = boards[competition_id] = SharedValue(
                lambda: encode({"data": _standings(clearing_data, competition_id)}), remember_s=REMEMBER_S
            )
        return Response(board.get(), content_type=JSON)

    return blueprint


def _every(clearing_data: Database) -> list[dict[str, Any]]:
    with reading(clearing_data) as tx:
        return _forms(tx, competitions.every(tx))


def existing(tx: Connection, competition_id: str) -> Competition:
    """Return the competition that a path names. Raises Problem (404)."""
    found = None if "\0" in competition_id else competitions.find(tx, competition_id)
    if found is None:
        raise not_found("competition")
    return found


def form_of(tx: Connection, found: Competition) -> dict[str, Any]:
    """Return the public form of a competition."""
    return _forms(tx, [found])[0]


def _forms(tx: Connection, found: Sequence[Competition]) -> list[dict[str, Any]]:
    numbers = [one.number for one in found]
    teams, securities = competitions.team_counts(tx, numbers), competition_rounds.securities_of(tx, numbers)
    return [
        competition_of(one, teams=teams.get(one.number, 0), securities=securities.get(one.number, [])) for one in found
    ]


def _standings(clearing_data: Database, competition_id: str) -> list[dict[str, Any]]:
    with reading(clearing_data) as tx:
        found = existing(tx, competition_id)
        live = gains_now(tx, found)
        return standings_of(competitions.teams(tx, found.number), competition_rounds.results(tx, found.number), live)


def gains_now(tx: Connection, found: Competition) -> dict[str, int]:
    """Return the gain of each account in the current round at the last prices [cents]."""
    number = found.number
    return live_gains(
        found,
        competition_rounds.securities(tx, number),
        competition_rounds.worth(tx, number),
        competition_rounds.last_prices(tx, number),
        competition_rounds.received(tx, number, found.competition_id, found.round),
    )
