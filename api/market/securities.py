"""The route that changes a security: halts its trading, resumes it, or sets its fees."""

from __future__ import annotations

import time

import gevent
from flask import Blueprint, Response

from api.market import fees
from api.orders.intake.gateway import OrderGateway
from api.request.body import read_json
from api.request.databases import reading
from api.request.listing import Listing
from api.wire import outgoing
from api.wire.answers import answer
from api.wire.answers_schema.market import Security
from api.wire.answers_schema.orders import HaltSubmitted
from api.wire.declaration import declared
from api.wire.schema import Fees, Halt
from api.wire.shapes import shape_of
from celery_app.clock import now_us
from db.clearing_data.orders import is_logged
from db.connect import Database

# How long to wait for order entry to have it in the log, and between two looks [s].
WAIT_S = 2.0
LOOK_S = 0.02


def routes(*, gateway: OrderGateway, listing: Listing, clearing_data: Database) -> Blueprint:
    """The route, on these services."""
    blueprint = Blueprint("halts", __name__)

    @blueprint.patch("/securities/<security_id>")
    @declared(
        "admin",
        "Halt the trading of a security, or resume it; or set its fees while no order of it is open",
        takes=Halt | Fees,
        gives={200: Security, 202: HaltSubmitted},
        refuses=[409],
    )
    def change(security_id: str) -> Response:
        content = read_json()
        if isinstance(content, dict) and content.keys() & Fees.model_fields.keys():
            wanted = shape_of(content, Fees)
            listing.in_path(security_id)
            fees.change(clearing_data, security_id, wanted)
            listing.read()
            return answer(outgoing.security_of(listing.in_path(security_id)))
        asked = shape_of(content, Halt)
        listing.in_path(security_id)
        number = gateway.halt(security_id, halted=asked.halted, received_us=now_us())
        if not logged(number):
            return answer(
                {"status": "success", "security_id": security_id, "command_id": number, "message": "halt submitted"},
                202,
            )
        listing.read()
        return answer(outgoing.security_of(listing.in_path(security_id)))

    def logged(number: int) -> bool:
        """Whether a command is in the log, and so comes before whatever is sent from now on."""
        deadline = time.monotonic() + WAIT_S
        while True:
            with reading(clearing_data) as tx:
                if is_logged(tx, number):
                    return True
            if time.monotonic() > deadline:
                return False
            gevent.sleep(LOOK_S)

    return blueprint
