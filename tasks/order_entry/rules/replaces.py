"""Replacements: new terms for an open order. What they may need in addition is held until they are settled."""

from __future__ import annotations

from tasks.messages import ReplaceOrder, ReplaceRequest
from tasks.order_entry.rules.decisions import Admitted, Decision, DenialReason, Denied, Limits, Waiting
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.orders import (
    PRICED,
    fee_ppm,
    grow,
    may_grow,
    notional_is_too_large,
    price_refusal,
    shows_too_little,
)
from tasks.order_entry.rules.phases import phase_refusal
from tasks.order_entry.rules.reservation import Terms
from tasks.order_entry.rules.risk import state_refusal
from tasks.order_entry.rules.rows import KnownOrder, PendingReplace, Widened
from tasks.order_entry.rules.short_sales import least_margin_price, reserve_sale
from tasks.shared.rules.securities import Security

# Replacements of a client that may wait for their orders: every batch with requests of the client reads them.
MAX_WAITING = 100


def decide_replace(desk: Desk, replace: ReplaceRequest) -> Decision:
    """Admit a replacement and reserve what it may need, deny it, or let it wait.

    If order entry has not seen the order, the replacement waits a moment: the order may have been accepted earlier and
    be in progress on another worker.
    """
    security = desk.securities.get(replace.security_id)
    if security is None:
        return Denied(replace, "unknown_security")
    funds = desk.funds.get(replace.client_id)
    if funds is None:
        return Denied(replace, "unknown_account")
    if funds.state != "open":
        return Denied(replace, state_refusal(funds.state) or "account_closed")
    terms = desk.terms.get(replace.order_id)
    known = desk.orders.get(replace.order_id)
    if known is None and _may_wait(desk, replace):
        desk.waiting[replace.client_id] += 1
        return Waiting(replace)
    if terms is None or known != KnownOrder(replace.client_id, replace.security_id, is_open=True):
        return Denied(replace, "unknown_order")
    limits = funds.limits or desk.limits
    refusal = _refusal(desk, replace, security, terms, limits)
    if refusal is not None:
        return Denied(replace, refusal)

    hold: int | None = None
    rate_ppm = terms.fee_ppm
    if terms.side == "buy":
        if replace.price_cents is not None:
            hold, rate_ppm = replace.price_cents, fee_ppm(security)
        reserved = terms.reserved_cents(replace.quantity, hold)
        fees_cents = terms.fees_held_cents(replace.quantity, hold, fee_ppm=rate_ppm) - terms.fees_held_cents()
        if not funds.hold(reserved + fees_cents):
            return Denied(replace, "insufficient_funds")
        grow(desk, limits, (replace.client_id, replace.security_id), _growth(replace, terms))
    else:
        least = least_margin_price(security, limits) if terms.owned is not None or limits.short_limit else 0
        found = reserve_sale(desk, replace, terms, funds=funds, least_price=least, most=limits.short_limit)
        if isinstance(found, str):
            return Denied(replace, found)
        reserved = found
    terms.widen(replace.quantity, hold, replace.price_cents, fee_ppm=rate_ppm)
    desk.widened[replace.order_id] = Widened(
        terms.largest_quantity,
        terms.largest_hold_cents,
        rate_ppm,
        terms.owned,
        None if terms.owned is None else terms.margin_cents,
    )
    desk.replaced.append(
        PendingReplace(
            replace.order_id, replace.command_id, replace.client_id, replace.quantity, replace.price_cents, reserved
        )
    )
    command = ReplaceOrder(
        replace.command_id,
        replace.client_id,
        replace.security_id,
        replace.order_id,
        terms.side,
        replace.quantity,
        replace.price_cents,
        hold or 0,
        reserved,
        desk.now_us,
    )
    return Admitted(replace, command, security.shard)


def _may_wait(desk: Desk, replace: ReplaceRequest) -> bool:
    """Return whether a replacement of an order that order entry has not seen may wait for it."""
    return desk.patient and replace.order_id < desk.issued_below and desk.waiting[replace.client_id] < MAX_WAITING


def _refusal(
    desk: Desk, replace: ReplaceRequest, security: Security, terms: Terms, limits: Limits
) -> DenialReason | None:
    """Return why the new terms are denied, leaving aside whether the client can pay for them."""
    phase = phase_refusal(security)
    if phase is not None:
        return phase
    if replace.quantity is None and replace.price_cents is None:
        return "contradictory_terms"
    if replace.price_cents is not None:
        if terms.type not in PRICED:
            return "price_not_allowed"
        refusal = price_refusal(replace.price_cents, security)
        if refusal is not None:
            return refusal
    if replace.quantity is not None and shows_too_little(terms.display_quantity, replace.quantity):
        return "display_quantity_too_small"
    quantity = replace.quantity or terms.highest_quantity
    if quantity > limits.max_order_quantity:
        return "quantity_too_large"
    if notional_is_too_large(quantity, replace.price_cents or terms.highest_price_cents, limits):
        return "notional_too_large"
    owned = (replace.client_id, replace.security_id)
    if terms.side == "buy" and not may_grow(desk, limits, owned, _growth(replace, terms)):
        return "position_limit"
    return None


def _growth(replace: ReplaceRequest, terms: Terms) -> int:
    """Return how many more shares than before the order may come to buy [shares]."""
    return max((replace.quantity or 0) - terms.highest_quantity, 0)
