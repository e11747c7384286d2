"""Routes that list a security, delist it and settle it in cash."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from api.market.commands import SecurityCommands, Sent
from api.request.body import read_json
from api.request.databases import reading
from api.request.listing import Listing
from api.wire import outgoing
from api.wire.answers import answer
from api.wire.answers_schema.market import Security
from api.wire.declaration import declared
from api.wire.money import dollars
from api.wire.problems import Problem, invalid, worth_too_large
from api.wire.security_answers import CommandSubmitted
from api.wire.security_bodies import NewSecurity, Settlement
from api.wire.shapes import shape_of
from db.clearing_data.competition import rounds as competition_rounds
from db.clearing_data.listing.securities import FinalSettlement, final_settlement
from db.connect import Database
from tasks.messages import DelistRequest, ListRequest, SettleRequest
from tasks.shared.rules.securities import SecurityPhase, is_worth_too_much


def routes(*, commands: SecurityCommands, listing: Listing, clearing_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("listings", __name__)

    @blueprint.post("/securities")
    @declared(
        "admin",
        "List a security; it can be traded at once",
        takes=NewSecurity,
        gives={201: Security, 202: CommandSubmitted},
        refuses=[409],
    )
    def list_security() -> Response:
        wanted = shape_of(read_json(), NewSecurity)
        lowest, highest = _price_limits(wanted)
        sent = commands.send(
            lambda number, now_us: ListRequest(
                number,
                wanted.security_id,
                wanted.reference_price,
                wanted.tick,
                lowest,
                highest,
                wanted.issued,
                wanted.maker_fee,
                wanted.taker_fee,
                wanted.band,
                now_us,
            )
        )
        if not sent.is_logged:
            return submitted(wanted.security_id, sent, "listing")
        listing.read()
        return answer(outgoing.security_of(listing.in_path(wanted.security_id)), 201)

    @blueprint.delete("/securities/<security_id>")
    @declared(
        "admin",
        "Delist a security without open orders; its history stays readable",
        gives={200: Security, 202: CommandSubmitted},
        refuses=[409],
    )
    def delist(security_id: str) -> Response:
        security = listing.in_path(security_id)
        not_in_play(security_id)
        sent = commands.send(lambda number, now_us: DelistRequest(number, security_id, now_us))
        if not sent.is_logged:
            return submitted(security_id, sent, "delisting")
        listing.read()
        phase: SecurityPhase = "settled" if security.phase == "settled" else "closed"
        return answer(outgoing.security_of(replace(security, phase=phase, phase_cause="admin", phase_ends_us=None)))

    @blueprint.post("/securities/<security_id>/settlement")
    @declared(
        "admin",
        "Settle a security in cash, once and for good",
        takes=Settlement,
        gives={200: Security, 202: CommandSubmitted},
        refuses=[409],
    )
    def settle(security_id: str) -> Response:
        wanted = shape_of(read_json(), Settlement)
        if is_worth_too_much(listing.in_path(security_id).issued_shares, wanted.value):
            raise worth_too_large("/value", "value")
        if not was_settled(security_id, wanted):
            not_in_play(security_id, except_under=wanted.transfer_id)
            try:
                sent = commands.send(
                    lambda number, now_us: SettleRequest(number, security_id, wanted.transfer_id, wanted.value, now_us)
                )
            except Problem:
                # Two requests may have sent the same settlement at the same time.
                if not was_settled(security_id, wanted):
                    raise
            else:
                if not sent.is_logged:
                    return submitted(security_id, sent, "settlement")
        listing.read()
        return answer(outgoing.security_of(listing.in_path(security_id)))

    def was_settled(security_id: str, wanted: Settlement) -> bool:
        """Return whether exactly this settlement is in the log. Raises Problem (409) if a different one is."""
        with reading(clearing_data) as tx:
            found = final_settlement(tx, security_id)
        if found is None:
            return False
        if found == FinalSettlement(wanted.transfer_id, wanted.value):
            return True
        if found.transfer_id == wanted.transfer_id:
            raise Problem(409, "transfer_id_reused", "this transfer_id belongs to a settlement at another value")
        raise Problem(409, "settled", "the security is settled for good")

    def not_in_play(security_id: str, *, except_under: str | None = None) -> None:
        """Raise Problem (409) if a competition trades the security; the referee settles it under a known id."""
        with reading(clearing_data) as tx:
            settled_under = competition_rounds.in_play(tx, security_id)
        if settled_under is not None and settled_under != except_under:
            raise Problem(409, "in_competition", "a competition trades the security; stop the competition first")

    return blueprint


def submitted(security_id: str, sent: Sent, what: str) -> Response:
    """Return a 202 for a command that is queued and not yet known to be in the log."""
    content: dict[str, Any] = {
        "status": "success",
        "security_id": security_id,
        "command_id": sent.command_id,
        "message": f"{what} submitted",
    }
    return answer(content, 202)


def _price_limits(wanted: NewSecurity) -> tuple[int, int]:
    """Return the lowest and the highest price within the limits that are on the tick [cents]. Raises Problem (422)."""
    if wanted.maker_fee + wanted.taker_fee < 0:
        raise invalid("/maker_fee", "a rebate must not exceed the fee of the other side")
    if wanted.reference_price % wanted.tick:
        raise invalid("/reference_price", f"must be a multiple of {dollars(wanted.tick)}", code="price_off_tick")
    lowest = wanted.tick if wanted.min_price is None else -(-wanted.min_price // wanted.tick) * wanted.tick
    highest = wanted.max_price // wanted.tick * wanted.tick
    if not lowest <= wanted.reference_price <= highest:
        limits = f"must be from {dollars(lowest):,} to {dollars(highest):,}"
        raise invalid("/reference_price", limits, code="price_out_of_band")
    if is_worth_too_much(wanted.issued, highest):
        raise worth_too_large("/issued", "max_price")
    return lowest, highest
