"""Routes of invitations: a team joins by a link, and gets its account and its key."""

from __future__ import annotations

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from api.competitions.pages import Pages
from api.request.body import read_json
from api.request.databases import reading, writing
from api.wire.answers import answer
from api.wire.answers_schema.competitions import Invitation, Joined
from api.wire.competition_bodies import NewTeam
from api.wire.declaration import JSON, declared
from api.wire.problems import Problem, not_found
from api.wire.shapes import shape_of
from celery_app.clock import now_us
from db.clearing_data.clients import accounts
from db.clearing_data.clients import keys as key_store
from db.clearing_data.clients import limits as account_limits
from db.clearing_data.competition import competitions
from db.clearing_data.competition.competitions import Competition, Team
from db.connect import Database
from tasks.referee.rules.names import client_id_of, folded, look_alike

PAGE = "join.html"


def routes(*, pages: Pages, clearing_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("joining", __name__)

    @blueprint.get("/join/<token>")
    @declared(
        "public",
        "The competition of an invitation; for browsers, the page on which a team joins",
        gives={200: Invitation},
        media_types=[JSON, "text/html"],
    )
    def invitation(token: str) -> Response:
        accepted = request.accept_mimetypes
        if accepted["text/html"] > accepted[JSON]:
            page = pages.answer(PAGE)
            page.vary.add("Accept")
            return page
        with reading(clearing_data) as tx:
            invite = competitions.find_invite(tx, token)
            if invite is None:
                raise not_found("invitation")
            found = competitions.by_number(tx, invite.competition)
        content = {
            "competition_id": found.competition_id,
            "name": found.name,
            "state": found.state,
            "is_used": invite.client_id is not None,
        }
        return answer(content, headers={"Cache-Control": "no-store", "Vary": "Accept"})

    @blueprint.post("/join/<token>")
    @declared(
        "public",
        "Join a competition with an invitation; only this response shows the team's key",
        takes=NewTeam,
        gives={201: Joined},
        refuses=[409],
    )
    def join(token: str) -> Response:
        team = shape_of(read_json(), NewTeam).team
        with writing(clearing_data) as tx:
            invite = competitions.find_invite(tx, token, lock=True)
            if invite is None:
                raise not_found("invitation")
            found = competitions.lock(tx, invite.competition)
            teams = competitions.teams(tx, found.number)
            _require_a_place(found, teams, team, is_used=invite.client_id is not None)
            client_id, api_key = _enter(tx, found, team, number=len(teams) + 1)
            competitions.use_invite(tx, token, client_id)
        content = {"client_id": client_id, "api_key": api_key, "competition_id": found.competition_id}
        return answer(content, 201, {"Cache-Control": "no-store"})

    return blueprint


def _require_a_place(found: Competition, teams: list[Team], team: str, *, is_used: bool) -> None:
    """Raise Problem (409) if the team may not join."""
    if is_used:
        raise Problem(409, "invite_used", "another team has used this invitation; ask the organiser for a new one")
    if any(look_alike(team, one.team) for one in teams):  # house bots, too
        raise Problem(409, "team_exists", "another team has this name, or one that looks like it; choose another one")
    if found.state != "registration":
        raise Problem(409, "registration_closed", "the competition has begun, so teams can no longer join")
    if sum(not one.is_house for one in teams) >= found.case.max_teams:
        raise Problem(409, "competition_full", f"the competition is full, with {found.case.max_teams} teams")


def _enter(tx: Connection, found: Competition, team: str, *, number: int) -> tuple[str, str]:
    """Open an empty account with the limits of the case; return its id and key."""
    client_id, entered_us = client_id_of(found.competition_id, number, team), now_us()
    accounts.open_account(tx, client_id, now_us=entered_us)
    if found.case.limits:
        account_limits.change(tx, client_id, found.case.limits)
    entered = Team(client_id, number, team, False, None, {}, entered_us)
    competitions.add_team(tx, found.number, entered, folded=folded(team))
    return client_id, key_store.make_key(tx, client_id, role="client", now_us=entered_us)
