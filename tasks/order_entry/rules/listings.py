"""Requests to list a security, to change its band, to delist it and to settle it."""

from __future__ import annotations

from tasks.messages import (
    BandRequest,
    DelistRequest,
    DelistSecurity,
    ListRequest,
    ListSecurity,
    SetBand,
    SettleRequest,
    SettleSecurity,
)
from tasks.order_entry.rules.decisions import Admitted, Denied
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.phases import change_phase, security_refusal
from tasks.order_entry.rules.security_changes import NewPhase, NewSecurity, NewSettlement
from tasks.shared.rules.securities import Security, is_worth_too_much


def decide_list(desk: Desk, request: ListRequest) -> Admitted | Denied:
    """Admit a security that never existed, on the shard with the fewest securities; later requests may name it."""
    changes, security_id = desk.changes, request.security_id
    if security_id in changes.ever_listed:
        return Denied(request, "security_exists")
    if not request.min_price_cents <= request.reference_cents <= request.max_price_cents:
        return Denied(request, "price_out_of_band")
    if any(price % request.tick_cents for price in (request.reference_cents, request.min_price_cents)):
        return Denied(request, "price_off_tick")
    if is_worth_too_much(request.issued_shares, request.max_price_cents):
        return Denied(request, "worth_too_large")
    shard = min(changes.load, key=lambda shard: (changes.load[shard], shard))
    changes.load[shard] += 1
    changes.ever_listed.add(security_id)
    terms = (
        request.reference_cents,
        request.tick_cents,
        request.min_price_cents,
        request.max_price_cents,
    )
    fees = request.maker_fee_ppm, request.taker_fee_ppm
    changes.listed.append(
        NewSecurity(security_id, shard, *terms, request.issued_shares, *fees, band_ppm=request.band_ppm)
    )
    desk.securities[security_id] = Security(
        security_id, shard, *terms[1:], request.issued_shares, request.reference_cents, *fees
    )
    command = ListSecurity(request.command_id, security_id, *terms, request.band_ppm, desk.now_us)
    return Admitted(request, command, shard)


def decide_delist(desk: Desk, request: DelistRequest) -> Admitted | Denied:
    """Admit the delisting of a security without open orders and debts; later requests no longer see it.

    If another worker admits an order at this moment, the engine cancels it, or rejects it if it comes later. A settled
    security may be delisted, too.
    """
    changes, security_id = desk.changes, request.security_id
    security = desk.securities.get(security_id)
    if security is None:
        return Denied(request, "unknown_security")
    if security_id in changes.busy or any(
        order.is_open and order.security_id == security_id for order in desk.orders.values()
    ):
        return Denied(request, "orders_open")
    if security_id in changes.owed:
        return Denied(request, "shares_owed")  # its clients could not return them
    if security_id in changes.over and security.phase != "settled":
        return Denied(request, "settled")  # its shares are about to be exchanged for cash
    if security.phase != "settled":
        change_phase(desk, security_id, NewPhase(request.command_id, "closed", "admin", None))
    changes.delisted.add(security_id)
    del desk.securities[security_id]
    return Admitted(request, DelistSecurity(request.command_id, security_id, desk.now_us), security.shard)


def decide_settle(desk: Desk, request: SettleRequest) -> Admitted | Denied:
    """Admit the final settlement of a security, once. From here on the security does not trade."""
    refusal = security_refusal(desk, request.security_id)
    if refusal is not None:
        return Denied(request, refusal)
    security = desk.securities[request.security_id]
    if is_worth_too_much(security.issued_shares, request.value_cents):
        return Denied(request, "worth_too_large")
    change_phase(desk, request.security_id, NewPhase(request.command_id, "closed", "admin", None))
    desk.changes.over.add(request.security_id)
    desk.changes.settlements[request.security_id] = NewSettlement(request.transfer_id, request.value_cents)
    command = SettleSecurity(request.command_id, request.security_id, request.value_cents, desk.now_us)
    return Admitted(request, command, security.shard)


def decide_band(desk: Desk, request: BandRequest) -> Admitted | Denied:
    """Admit a new band for a security, or the removal of its band."""
    refusal = security_refusal(desk, request.security_id)
    if refusal is not None:
        return Denied(request, refusal)
    desk.changes.bands[request.security_id] = request.band_ppm
    command = SetBand(request.command_id, request.security_id, request.band_ppm, desk.now_us)
    return Admitted(request, command, desk.securities[request.security_id].shard)
