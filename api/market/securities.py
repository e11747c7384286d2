"""The route that changes a security: its phase, its band or its fees."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from api.market import fees
from api.market.commands import SecurityCommands
from api.market.listings import submitted
from api.request.body import read_json
from api.request.listing import Listing
from api.wire import outgoing
from api.wire.answers import answer
from api.wire.answers_schema.market import Security
from api.wire.declaration import declared
from api.wire.problems import invalid
from api.wire.schema import Fees, Halt
from api.wire.security_answers import CommandSubmitted
from api.wire.security_bodies import BandChange, PhaseChange
from api.wire.shapes import shape_of
from db.connect import Database
from tasks.messages import BandRequest, HaltRequest, PhaseRequest, SecurityRequest

_Change = PhaseChange | BandChange | Halt


def routes(*, commands: SecurityCommands, listing: Listing, clearing_data: Database) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("halts", __name__)

    @blueprint.patch("/securities/<security_id>")
    @declared(
        "admin",
        "Change the phase of a security, or halt it; or its band; or its fees while no order of it is open",
        takes=PhaseChange | BandChange | Halt | Fees,
        gives={200: Security, 202: CommandSubmitted},
        refuses=[409],
    )
    def change(security_id: str) -> Response:
        content = read_json()
        if isinstance(content, dict) and content.keys() & Fees.model_fields.keys():
            wanted = shape_of(content, Fees)
            listing.in_path(security_id)
            fees.change(clearing_data, security_id, wanted)
        else:
            asked = _change_of(content)
            listing.in_path(security_id)
            sent = commands.send(lambda number, now_us: _request_of(asked, number, security_id, now_us))
            if not sent.is_logged:
                return submitted(security_id, sent, _WORDS[type(asked)])
        listing.read()
        return answer(outgoing.security_of(listing.in_path(security_id)))

    return blueprint


_WORDS = {PhaseChange: "phase", BandChange: "band", Halt: "halt"}


def _change_of(content: Any) -> _Change:
    """Return the change that a body requests. Raises Problem (422)."""
    named = content.keys() if isinstance(content, dict) else set()
    if named & PhaseChange.model_fields.keys():
        asked = shape_of(content, PhaseChange)
        if asked.phase == "continuous" and asked.seconds is not None:
            raise invalid("/seconds", "must be omitted, because continuous trading lasts until another phase begins")
        return asked
    return shape_of(content, BandChange) if "band" in named else shape_of(content, Halt)


def _request_of(asked: _Change, number: int, security_id: str, now_us: int) -> SecurityRequest:
    match asked:
        case PhaseChange():
            return PhaseRequest(number, security_id, asked.phase, asked.seconds, now_us)
        case BandChange():
            return BandRequest(number, security_id, asked.band, now_us)
        case Halt():
            return HaltRequest(number, security_id, asked.halted, now_us)
