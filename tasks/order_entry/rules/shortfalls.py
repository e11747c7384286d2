"""How much a denied request lacks: what it needs, and what is available or allowed, for its client to read.

A denial holds nothing, so the desk still is as the decision found it.
"""

from __future__ import annotations

from tasks.messages import OrderRequest, ReplaceRequest
from tasks.order_entry.rules.decisions import DenialReason, Denied, Shortfall
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.orders import fee_ppm, limit_of
from tasks.order_entry.rules.risk import Shares
from tasks.order_entry.rules.short_sales import least_margin_price
from tasks.shared.rules.fees import fee_hold_cents
from tasks.shared.rules.loans import margin_cents


def shortfall(desk: Desk, denied: Denied) -> Shortfall | None:
    """Return what a denied request lacks; None when nothing is short, or no single figure says what."""
    request = denied.request
    if isinstance(request, OrderRequest):
        return _of_order(desk, request, denied.reason)
    return _of_replacement(desk, request, denied.reason) if isinstance(request, ReplaceRequest) else None


def _of_order(desk: Desk, order: OrderRequest, reason: DenialReason) -> Shortfall | None:
    funds, security = desk.funds.get(order.client_id), desk.securities.get(order.security_id)
    if funds is None or security is None:
        return None
    limits = funds.limits or desk.limits
    limit_cents = limit_of(order, security, limits)
    if limit_cents is None:
        return None
    owned = (order.client_id, order.security_id)
    shares = desk.shares.get(owned) or Shares(0)
    short = order.quantity - shares.available
    value_cents = order.quantity * limit_cents
    lendable = desk.lendable.get(order.security_id)
    match reason:
        case "insufficient_funds":
            cash_cents = value_cents + fee_hold_cents(value_cents, fee_ppm(security))
            return Shortfall(cash_cents, max(funds.available_cents, 0))
        case "insufficient_holdings":
            return Shortfall(order.quantity, shares.available)
        case "insufficient_margin":
            least_cents = least_margin_price(security, limits, stop_price_cents=order.stop_price_cents)
            return Shortfall(margin_cents(short, max(limit_cents, least_cents)), max(funds.available_cents, 0))
        case "nothing_to_borrow":
            return Shortfall(short, lendable.available if lendable else 0)
        case "short_limit":
            return Shortfall(shares.borrowed + shares.located + short, limits.short_limit)
        case "quantity_too_large":
            return Shortfall(order.quantity, limits.max_order_quantity)
        case "notional_too_large" if limits.max_order_notional_cents is not None:
            return Shortfall(value_cents, limits.max_order_notional_cents)
        case "position_limit" if limits.max_position is not None:
            return Shortfall(desk.positions.get(owned, 0) + order.quantity, limits.max_position)
        case _:
            return None


def _of_replacement(desk: Desk, replace: ReplaceRequest, reason: DenialReason) -> Shortfall | None:
    """Return what the new terms need in addition to what the order holds; None except for cash and own shares."""
    terms = desk.terms.get(replace.order_id)
    if terms is None:
        return None
    if reason == "insufficient_funds":
        hold = replace.price_cents
        rate_ppm = terms.fee_ppm if hold is None else fee_ppm(desk.securities[replace.security_id])
        fees_cents = terms.fees_held_cents(replace.quantity, hold, fee_ppm=rate_ppm) - terms.fees_held_cents()
        needed = terms.reserved_cents(replace.quantity, hold) + fees_cents
        return Shortfall(needed, max(desk.funds[replace.client_id].available_cents, 0))
    if reason == "insufficient_holdings" and terms.owned is None:
        shares = desk.shares.get((replace.client_id, replace.security_id)) or Shares(0)
        return Shortfall(terms.reserved_shares(replace.quantity), shares.available)
    return None
