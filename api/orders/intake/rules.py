"""The rules that the api can check by itself, and the message that it queues for a request.

Order entry checks everything again, because the api is not the only process that can put a message on a queue. A
request that the api refuses gets its answer at once and costs the pipeline nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from msgspec import UNSET

from api.wire.money import dollars
from api.wire.order_bodies import (
    Cancel,
    LimitOrder,
    MarketOrder,
    Price,
    Replace,
    Request,
    StopLimitOrder,
    StopOrder,
)
from api.wire.problems import Problem, forbidden, invalid, not_listed
from db.clearing_data.clients.keys import Identity
from tasks.messages import RESTING, CancelRequest, OrderRequest, OrderType, ReplaceRequest, TimeInForce
from tasks.order_entry.rules.orders import MAX_REFILLS, shows_too_little
from tasks.shared.rules.securities import Security

Message = OrderRequest | CancelRequest | ReplaceRequest

# The code of the problem of a gtd order that arrives after its end.
EXPIRED = "expired"
*_FIRST, _LAST = (one for one in get_args(TimeInForce) if one in RESTING)
_MUST_REST = f"needs an order that can rest: time_in_force must be {', '.join(_FIRST)} or {_LAST}"


def refusal(asked: Request, identity: Identity, securities: Mapping[str, Security], *, now_us: int) -> Problem | None:
    """Return the first problem of a request: its owner is checked first, then the rules.

    securities  the listed securities, by id
    now_us      the time [us since 1970, UTC]
    """
    if identity.role == "admin":
        if not asked.client_id:
            return invalid("/client_id", "is required with the admin's key")
    elif asked.client_id and asked.client_id != identity.client_id:
        return forbidden()
    security = securities.get(asked.security_id)
    if security is None:
        return invalid("/security_id", not_listed(securities), code="unknown_security")
    if isinstance(asked, LimitOrder):
        return _refusal_of_order(asked, now_us) or _refusal_of_price(asked.price, "/price", security)
    if isinstance(asked, Cancel | MarketOrder):
        return None
    if isinstance(asked, Replace):
        if asked.price:
            return _refusal_of_price(asked.price, "/price", security)
        return None if asked.quantity else invalid("", "changes nothing: give a quantity, a price or both")
    refused = _refusal_of_order(asked, now_us) or _refusal_of_price(asked.stop_price, "/stop_price", security)
    if refused or isinstance(asked, StopOrder):
        return refused
    return _refusal_of_price(asked.price, "/price", security)


def _refusal_of_order(order: LimitOrder | StopOrder | StopLimitOrder, now_us: int) -> Problem | None:
    if order.time_in_force == "gtd":
        if not order.expires_at:
            return invalid("/expires_at", "is required for gtd orders")
        if order.expires_at.us <= now_us:
            return invalid("/expires_at", "must be in the future", code=EXPIRED)
    elif order.expires_at:
        return invalid("/expires_at", "is allowed only for gtd orders")
    if isinstance(order, StopOrder):
        return None
    rests = order.time_in_force is UNSET or order.time_in_force in RESTING
    if order.post_only and not rests:
        return invalid("/post_only", _MUST_REST)
    if isinstance(order, LimitOrder) and order.display_quantity:
        return _refusal_of_iceberg(order.display_quantity, order.quantity, rests=rests)
    return None


def _refusal_of_iceberg(shown: int, quantity: int, *, rests: bool) -> Problem | None:
    if not rests:
        return invalid("/display_quantity", _MUST_REST)
    if shown >= quantity:
        return invalid("/display_quantity", "must be less than quantity")
    if shows_too_little(shown, quantity):
        return invalid("/display_quantity", f"must be at least 1/{MAX_REFILLS} of quantity")
    return None


def _refusal_of_price(price: Price, pointer: str, security: Security) -> Problem | None:
    cents = price.cents
    if not security.min_price_cents <= cents <= security.max_price_cents:
        lowest, highest = dollars(security.min_price_cents), dollars(security.max_price_cents)
        return invalid(pointer, f"must be from {lowest:,} to {highest:,}", code="price_out_of_band")
    if cents % security.tick_cents:
        return invalid(pointer, f"must be a multiple of {dollars(security.tick_cents)}", code="price_off_tick")
    return None


def message_of(asked: Request, number: int, client_id: str, received_us: int) -> Message:
    """Return the message for a request; `number` becomes the id of a new order, or the number of the command."""
    if isinstance(asked, LimitOrder):
        return OrderRequest(
            number,
            client_id,
            asked.client_order_id or None,
            asked.security_id,
            "limit",
            asked.side,
            asked.quantity,
            asked.price.cents,
            asked.time_in_force or "gtc",
            asked.post_only or False,
            received_us,
            None,
            asked.display_quantity or None,
            asked.expires_at.us if asked.expires_at else None,
        )
    if isinstance(asked, Cancel):
        return CancelRequest(number, client_id, asked.security_id, asked.order_id, received_us)
    if isinstance(asked, Replace):
        cents = asked.price.cents if asked.price else None
        return ReplaceRequest(
            number, client_id, asked.security_id, asked.order_id, asked.quantity or None, cents, received_us
        )
    return _message_of_other(asked, number, client_id, received_us)


def _message_of_other(
    asked: MarketOrder | StopOrder | StopLimitOrder, number: int, client_id: str, received_us: int
) -> OrderRequest:
    stop_cents, cents, expires_us, post_only = None, None, None, False
    kind: OrderType = "market"
    time_in_force: TimeInForce = asked.time_in_force or "ioc"
    if not isinstance(asked, MarketOrder):
        kind = "stop"
        stop_cents = asked.stop_price.cents
        expires_us = asked.expires_at.us if asked.expires_at else None
    if isinstance(asked, StopLimitOrder):
        kind = "stop_limit"
        cents = asked.price.cents
        time_in_force = asked.time_in_force or "gtc"
        post_only = asked.post_only or False
    return OrderRequest(
        number,
        client_id,
        asked.client_order_id or None,
        asked.security_id,
        kind,
        asked.side,
        asked.quantity,
        cents,
        time_in_force,
        post_only,
        received_us,
        stop_cents,
        None,
        expires_us,
    )
