"""Routes about teams for the organiser: their activity and their keys; and the shipped cases."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from flask import Blueprint, Response

from api.competitions.reads import existing, gains_now
from api.request.databases import reading, writing
from api.wire.answers import answer
from api.wire.answers_schema.common import Rows
from api.wire.answers_schema.competitions import ReplacedKey, ShippedCase, TeamState
from api.wire.declaration import declared
from api.wire.money import dollars
from api.wire.outgoing import dollars_or_none, time_or_none
from api.wire.problems import not_found
from celery_app.clock import now_us
from db.clearing_data.clients import keys as key_store
from db.clearing_data.competition import competitions
from db.clearing_data.competition import rounds as competition_rounds
from db.connect import Database

CASES = Path(__file__).parents[2] / "deploy" / "cases"

# The time over which the orders per second are averaged [s].
WINDOW_S = 10


def routes(*, clearing_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("organising", __name__)
    shipped = [
        {"name": file.stem, "case": tomllib.loads(file.read_text(encoding="utf-8"))}
        for file in sorted(CASES.glob("*.toml"))
    ]

    @blueprint.get("/cases")
    @declared("admin", "The cases that come with the exchange, planned news included", gives={200: Rows[ShippedCase]})
    def cases() -> Response:
        return answer({"data": shipped})

    @blueprint.get("/competitions/<competition_id>/teams")
    @declared("admin", "The activity of the teams and house bots of a competition", gives={200: Rows[TeamState]})
    def teams(competition_id: str) -> Response:
        with reading(clearing_data) as tx:
            found = existing(tx, competition_id)
            entered = competitions.teams(tx, found.number)
            worth = competition_rounds.worth(tx, found.number)
            active = competitions.activity(tx, found.number, since_us=now_us() - WINDOW_S * 1_000_000)
            live = gains_now(tx, found)
        data: list[dict[str, Any]] = [
            {
                "client_id": team.client_id,
                "team": team.team,
                "is_house": team.is_house,
                "state": active[team.client_id].state,
                "balance": dollars(worth[team.client_id].cash_cents),
                "shares": worth[team.client_id].shares,
                "live_gain": dollars_or_none(live.get(team.client_id)),
                "open_orders": active[team.client_id].open_orders,
                "orders_per_s": active[team.client_id].recent / WINDOW_S,
                "refused": active[team.client_id].refused,
                "last_order_at": time_or_none(active[team.client_id].last_us),
            }
            for team in entered
        ]
        return answer({"data": data})

    @blueprint.post("/competitions/<competition_id>/teams/<client_id>/key")
    @declared(
        "admin",
        "Replace all keys of a team by a new one; only this response shows it",
        gives={201: ReplacedKey},
    )
    def replace_key(competition_id: str, client_id: str) -> Response:
        with writing(clearing_data) as tx:
            found = existing(tx, competition_id)
            teams = [team.client_id for team in competitions.teams(tx, found.number) if not team.is_house]
            if client_id not in teams:
                raise not_found("team of this competition")
            # In one transaction, so that the team is never without a key, and no old key makes another one meanwhile.
            key_store.lock_keys(tx, client_id)
            replaced_us = now_us()
            key_store.revoke_all(tx, client_id, now_us=replaced_us)
            api_key = key_store.make_key(tx, client_id, role="client", now_us=replaced_us, name="replaced")
        return answer({"client_id": client_id, "api_key": api_key}, 201, {"Cache-Control": "no-store"})

    return blueprint
