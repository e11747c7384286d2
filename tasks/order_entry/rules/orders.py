"""New orders: why one is denied, what it may cost, and the command that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from tasks.messages import RESTING, OrderRequest, PlaceOrder, TimeInForce
from tasks.order_entry.rules.collar import collar_price
from tasks.order_entry.rules.decisions import Admitted, DenialReason, Denied, Limits
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.phases import TAKE_CANCELS_ONLY, phase_refusal
from tasks.order_entry.rules.risk import Funds, state_refusal
from tasks.order_entry.rules.short_sales import count_purchase, hold_to_cover, least_margin_price, sell_short
from tasks.shared.rules.fees import fee_hold_cents, highest_fee_ppm
from tasks.shared.rules.securities import Security

PRICED = frozenset({"limit", "stop_limit"})
TRIGGERED = frozenset({"stop", "stop_limit"})
# How long orders without a limit may wait, which otherwise execute immediately.
_OF_UNPRICED: Mapping[str, frozenset[str]] = {"market": frozenset({"auction"}), "stop": frozenset({"day", "gtd"})}
# An iceberg may have at most this many parts; each goes to the end of the queue at its price level.
MAX_REFILLS = 100


def decide_order(desk: Desk, order: OrderRequest) -> Admitted | Denied:
    """Admit an order, holding what it may cost, or deny it."""
    command = _decide(desk, order)
    if order.client_order_id is not None:
        desk.taken.add((order.client_id, order.client_order_id))
    if isinstance(command, PlaceOrder):
        if desk.follows:
            desk.follow(order, command, fee_ppm=fee_ppm(desk.securities[order.security_id]))
        return Admitted(order, command, desk.securities[order.security_id].shard)
    if desk.follows:
        desk.follow(order, None)
    return Denied(order, command)


def _decide(desk: Desk, order: OrderRequest) -> PlaceOrder | DenialReason:
    if order.client_order_id is not None and (order.client_id, order.client_order_id) in desk.taken:
        return "duplicate_client_order_id"
    security = desk.securities.get(order.security_id)
    if security is None:
        return "unknown_security"
    funds = desk.funds.get(order.client_id)
    if funds is None:
        return "unknown_account"
    if desk.marks and desk.was_cancelled(order, security.shard):
        return "cancelled"
    limits = funds.limits or desk.limits
    refusal = _refusal(order, security, funds, limits)
    if refusal is None and order.expires_us is not None and order.expires_us <= desk.now_us:
        refusal = "expired"
    if refusal is not None:
        return refusal
    limit_cents = limit_of(order, security, limits)
    if limit_cents is None:
        return "no_reference_price"
    if notional_is_too_large(order.quantity, limit_cents, limits):
        return "notional_too_large"
    owned = (order.client_id, order.security_id)
    hold = 0
    if order.side == "buy":
        if not may_grow(desk, limits, owned, order.quantity):
            return "position_limit"
        hold = limit_cents
        cash_cents = order.quantity * limit_cents
        if security.taker_fee_ppm > 0 or security.maker_fee_ppm > 0:
            cash_cents += fee_hold_cents(cash_cents, fee_ppm(security))
        if not funds.hold(cash_cents) and not hold_to_cover(desk, owned, funds, order.quantity, cash_cents):
            return "insufficient_funds"
        if desk.debts:
            count_purchase(desk, owned, order.quantity)
        grow(desk, limits, owned, order.quantity)
    else:
        shares = desk.shares.get(owned)
        if shares is None or not shares.hold(order.quantity):
            if not limits.short_limit:
                return "insufficient_holdings"
            least_cents = least_margin_price(security, limits, stop_price_cents=order.stop_price_cents)
            price_cents = max(limit_cents, least_cents)
            refusal = sell_short(desk, order, funds=funds, price_cents=price_cents, most=limits.short_limit)
            if refusal is not None:
                return refusal
    funds.newly_open += 1
    return PlaceOrder(
        order.order_id,
        order.client_id,
        order.security_id,
        order.type,
        order.side,
        order.quantity,
        limit_cents,
        order.time_in_force if order.type in PRICED else sequenced_time_in_force(order),
        order.post_only,
        desk.now_us,
        order.stop_price_cents,
        order.display_quantity,
        hold,
        order.expires_us,
    )


def sequenced_time_in_force(order: OrderRequest) -> TimeInForce:
    """Return the time in force that the command of an order states.

    A market order does not rest unless it takes part in an auction. A stop order waits for a day, up to a given time,
    or until it is triggered; then it is a market order.
    """
    if order.type in PRICED or order.time_in_force in _OF_UNPRICED[order.type]:
        return order.time_in_force
    return "ioc"


def _refusal(order: OrderRequest, security: Security, funds: Funds, limits: Limits) -> DenialReason | None:
    """Return why an order is denied, leaving its value aside."""
    if funds.state != "open":
        return state_refusal(funds.state)
    if funds.competition != security.competition:
        return "other_market"
    if security.phase in TAKE_CANCELS_ONLY:
        return phase_refusal(security)
    refusal = contradiction(order)
    if refusal is None and order.price_cents is not None:
        refusal = price_refusal(order.price_cents, security)
    if refusal is None and order.stop_price_cents is not None:
        refusal = price_refusal(order.stop_price_cents, security)
    if refusal is not None:
        return refusal
    if order.quantity > limits.max_order_quantity:
        return "quantity_too_large"
    return None if funds.may_open(limits.max_open_orders) else "too_many_open_orders"


def contradiction(order: OrderRequest) -> DenialReason | None:
    """Return why the terms of an order contradict each other; None when they do not.

    Post-only needs an order that has a limit and may rest. An iceberg is such an order, has no stop price, and hides
    part of its quantity. A gtd order, and no other, says when it ends.
    """
    kind, time_in_force = order.type, order.time_in_force
    if (order.price_cents is None) is (kind in PRICED):
        return "price_missing" if order.price_cents is None else "price_not_allowed"
    if (order.stop_price_cents is None) is (kind in TRIGGERED):
        return "stop_price_missing" if order.stop_price_cents is None else "stop_price_not_allowed"
    if (order.expires_us is None) is (time_in_force == "gtd"):
        return "contradictory_terms"
    if time_in_force != "gtc" and _cannot_stay(order):
        return "contradictory_terms"
    if order.post_only and (kind not in PRICED or time_in_force not in RESTING):
        return "contradictory_terms"
    if order.display_quantity is not None:
        if kind != "limit" or time_in_force not in RESTING or order.display_quantity >= order.quantity:
            return "contradictory_terms"
        if shows_too_little(order.display_quantity, order.quantity):
            return "display_quantity_too_small"
    return None


def _cannot_stay(order: OrderRequest) -> bool:
    """Return whether the order's type forbids its time in force: no stop order waits for an auction as well."""
    if order.time_in_force == "auction":
        return order.type in TRIGGERED
    return order.type == "market" and order.time_in_force in RESTING


def fee_ppm(security: Security) -> int:
    """Return the rate at which buy orders of a security hold cash for fees [hundredths of a basis point]."""
    return highest_fee_ppm(maker_fee_ppm=security.maker_fee_ppm, taker_fee_ppm=security.taker_fee_ppm)


def price_refusal(price_cents: int, security: Security) -> Literal["price_off_tick", "price_out_of_band"] | None:
    """Return why a limit or a stop price is refused [cents/share]."""
    if price_cents % security.tick_cents:
        return "price_off_tick"
    if not security.min_price_cents <= price_cents <= security.max_price_cents:
        return "price_out_of_band"
    return None


def shows_too_little(display_quantity: int | None, quantity: int) -> bool:
    """Return whether an iceberg of this size would have too many parts; None means the order is not an iceberg."""
    return display_quantity is not None and display_quantity * MAX_REFILLS < quantity


def notional_is_too_large(quantity: int, limit_cents: int, limits: Limits) -> bool:
    """Return whether an order of this size and limit exceeds the largest allowed value of an order."""
    most = limits.max_order_notional_cents
    return most is not None and quantity * limit_cents > most


def may_grow(desk: Desk, limits: Limits, owned: tuple[str, str], quantity: int) -> bool:
    """Return whether a client may buy this many shares on top of those it holds and has open buy orders for."""
    most = limits.max_position
    return most is None or desk.positions.get(owned, 0) + quantity <= most


def grow(desk: Desk, limits: Limits, owned: tuple[str, str], quantity: int) -> None:
    """Note that a client's open buy orders grow by this many shares."""
    if limits.max_position is not None:
        desk.positions[owned] = desk.positions.get(owned, 0) + quantity


def limit_of(order: OrderRequest, security: Security, limits: Limits) -> int | None:
    """Return the worst price at which an order may trade: its limit or its collar; None if no price gives a collar.

    The collar of a stop order is computed from its stop price, because the order will be triggered near that price.
    """
    if order.price_cents is not None:
        return order.price_cents
    reference = order.stop_price_cents if order.type == "stop" else security.last_price_cents
    if reference is None:
        return None
    return collar_price(
        reference,
        order.side,
        band=limits.market_order_band,
        tick_cents=security.tick_cents,
        min_price_cents=security.min_price_cents,
        max_price_cents=security.max_price_cents,
    )
