"""Routes of the organiser: create a competition, invite teams, and start and stop the competition."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from api.competitions import creation
from api.competitions.cases import case_of
from api.competitions.reads import existing, form_of
from api.request.body import read_json
from api.request.databases import writing
from api.wire.answers import answer
from api.wire.answers_schema.competitions import Competition as CompetitionForm
from api.wire.answers_schema.competitions import Created, Invites
from api.wire.competition_bodies import Extension, NewCompetition, NewInvites
from api.wire.declaration import declared
from api.wire.problems import Problem
from api.wire.shapes import shape_of
from celery_app.clock import now_us
from db.clearing_data.competition import competitions
from db.clearing_data.competition.competitions import Competition
from db.connect import Database
from tasks.referee.rules import steps

_NOT_TRADING = ("not_trading", "no round is trading at the moment")


def routes(*, clearing_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("competitions", __name__)

    @blueprint.post("/competitions")
    @declared("admin", "Create a competition from a case", takes=NewCompetition, gives={201: Created}, refuses=[409])
    def create() -> Response:
        case = case_of(shape_of(read_json(), NewCompetition))
        with writing(clearing_data) as tx:
            competition_id = creation.create(tx, case, now_us=now_us())
        return answer({"competition_id": competition_id}, 201)

    @blueprint.post("/competitions/<competition_id>/invites")
    @declared("admin", "Make invitations, each for one team", takes=NewInvites, gives={201: Invites}, refuses=[409])
    def invite(competition_id: str) -> Response:
        wanted = shape_of(read_json(), NewInvites)
        with writing(clearing_data) as tx:
            found = locked(tx, competition_id)
            if found.state != "registration":
                raise Problem(409, "registration_closed", "the competition has begun, so teams can no longer join")
            tokens = competitions.make_invites(tx, found.number, wanted.count, now_us=now_us())
        links = [f"{request.host_url}join/{token}" for token in tokens]
        return answer({"invites": links}, 201, {"Cache-Control": "no-store"})

    @blueprint.post("/competitions/<competition_id>/start")
    @declared("admin", "Start the first round; teams can no longer join", gives={200: CompetitionForm}, refuses=[409])
    def start(competition_id: str) -> Response:
        return moved(
            competition_id,
            lambda found: steps.started(found.case, found.place, now_us=now_us()),
            "already_started",
            "the competition has begun already, or is over",
        )

    @blueprint.post("/competitions/<competition_id>/stop")
    @declared("admin", "Stop a competition for good", gives={200: CompetitionForm}, refuses=[409])
    def stop(competition_id: str) -> Response:
        return moved(
            competition_id, lambda found: steps.stopped(found.place), "already_over", "the competition is over"
        )

    @blueprint.post("/competitions/<competition_id>/pause")
    @declared("admin", "Halt the trading of the round", gives={200: CompetitionForm}, refuses=[409])
    def pause(competition_id: str) -> Response:
        return moved(competition_id, lambda found: steps.paused(found.place), *_NOT_TRADING)

    @blueprint.post("/competitions/<competition_id>/resume")
    @declared(
        "admin",
        "Resume after a pause; the end of the round moves by the pause",
        gives={200: CompetitionForm},
        refuses=[409],
    )
    def resume(competition_id: str) -> Response:
        return moved(
            competition_id,
            lambda found: steps.resumed(found.place, pause_us=now_us() - (found.paused_us or now_us())),
            "not_paused",
            "the competition is not paused",
        )

    @blueprint.post("/competitions/<competition_id>/extend")
    @declared("admin", "Extend the round", takes=Extension, gives={200: CompetitionForm}, refuses=[409])
    def extend(competition_id: str) -> Response:
        wanted = shape_of(read_json(), Extension)
        return moved(competition_id, lambda found: steps.extended(found.place, wanted.seconds), *_NOT_TRADING)

    def moved(
        competition_id: str, to: Callable[[Competition], steps.Place | None], code: str, otherwise: str
    ) -> Response:
        """Move a competition to another state. Raises Problem (409) if the move is not possible."""
        with writing(clearing_data) as tx:
            found = locked(tx, competition_id)
            place = to(found)
            if place is None:
                raise Problem(409, code, otherwise)
            competitions.move(tx, found.number, before=found.place, to=place)
            if place.step != found.step:  # a longer round does not begin its pause again
                competitions.set_paused(tx, found.number, now_us() if place.step == "paused" else None)
            return answer(form_of(tx, existing(tx, competition_id)))

    return blueprint


def locked(tx: Connection, competition_id: str) -> Competition:
    """Return a competition, and lock it until the transaction ends. Raises Problem (404)."""
    return competitions.lock(tx, existing(tx, competition_id).number)
