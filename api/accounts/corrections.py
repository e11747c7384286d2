"""The route of corrections: a transfer of its own corrects a wrong booking."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from api.accounts.routes import refusal
from api.request.body import read_json
from api.request.databases import writing
from api.request.listing import Listing
from api.wire.answers import answer
from api.wire.answers_schema import accounts as answers_schema
from api.wire.declaration import declared
from api.wire.problems import invalid, not_listed
from api.wire.schema import CashCorrection, ShareCorrection
from api.wire.shapes import shape_of
from celery_app.clock import now_us
from db.clearing_data.clients import accounts
from db.clearing_data.tables import DTCC, EXCHANGE
from db.connect import Database


def routes(*, listing: Listing, clearing_data: Database) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("corrections", __name__)

    @blueprint.post("/corrections")
    @declared(
        "admin",
        "Correct a wrong booking, once: cash from or to EXCHANGE, shares from or to DTCC",
        takes=CashCorrection | ShareCorrection,
        gives={200: answers_schema.TransferredBefore, 201: answers_schema.Transferred},
        refuses=[404, 409],
    )
    def correct() -> Response:
        asked = _correction_of(read_json())
        moved = _moved_by(asked, listing)
        with writing(clearing_data) as tx:
            corrected = accounts.correct(
                tx,
                asked.client_id,
                asked.transfer_id,
                **moved,
                entry_id=asked.entry_id,
                reason=asked.reason,
                now_us=now_us(),
            )
            if corrected not in ("booked", "repeated"):
                amount = moved.get("cash_cents", 0) or moved.get("shares", 0)
                payer = asked.client_id if amount < 0 else EXCHANGE if "cash_cents" in moved else DTCC
                raise refusal(
                    tx,
                    corrected,
                    payer,
                    cash_cents=abs(moved.get("cash_cents", 0)),
                    security_id=moved.get("security_id", ""),
                    shares=abs(moved.get("shares", 0)),
                )
        content = {"status": "success", "client_id": asked.client_id, "transfer_id": asked.transfer_id}
        if corrected == "repeated":
            return answer(content | {"duplicate": True})
        return answer(content, 201)

    return blueprint


def _moved_by(asked: CashCorrection | ShareCorrection, listing: Listing) -> dict[str, Any]:
    """Return the cash or the shares that a correction moves, as keywords for the ledger. Raises Problem (422, 503)."""
    moved: dict[str, Any]
    if isinstance(asked, CashCorrection):
        moved = {"cash_cents": asked.amount}
    elif asked.security_id in listing.all():
        moved = {"security_id": asked.security_id, "shares": asked.quantity}
    else:
        raise invalid("/security_id", not_listed(listing.all()), code="unknown_security")
    if not (asked.amount if isinstance(asked, CashCorrection) else asked.quantity):
        raise invalid("", "must move a positive or negative amount, not 0")
    return moved


def _correction_of(content: Any) -> CashCorrection | ShareCorrection:
    if isinstance(content, dict) and "amount" in content:
        return shape_of(content, CashCorrection)
    return shape_of(content, ShareCorrection)
