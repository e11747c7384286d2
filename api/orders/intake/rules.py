"""The rules that the api can check by itself, and the message that it queues for a request.

Order entry checks everything again, because the api is not the only process that can put a message on a queue. A
request that the api refuses gets its answer at once and costs the pipeline nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from api.wire.money import dollars
from api.wire.problems import Problem, forbidden, invalid
from api.wire.schema import Cancel, LimitOrder, MarketOrder, NewOrder, Replace, Request, StopLimitOrder, StopOrder
from db.clearing_data.keys import Identity
from tasks.messages import CancelRequest, OrderRequest, ReplaceRequest
from tasks.order_entry.rules.orders import MAX_REFILLS, shows_too_little
from tasks.shared.rules.securities import Security

Message = OrderRequest | CancelRequest | ReplaceRequest

# The times in force of orders that rest, and the problem of a gtd order that comes after its time.
RESTING = frozenset({"gtc", "day", "gtd"})
EXPIRED = "expired"


def refusal(
    asked: Request,
    pointer: str,
    identity: Identity,
    securities: Mapping[str, Security],
    *,
    max_quantity: int,
    now_us: int,
) -> Problem | None:
    """Return the first problem of a request: its owner is checked first, then the rules.

    pointer       JSON pointer to the request in the body
    securities    the listed securities, by id
    max_quantity  largest order [shares]
    now_us        the time [us since 1970, UTC]
    """
    if identity.role == "admin":
        if asked.client_id is None:
            return invalid(f"{pointer}/client_id", "is required with the admin's key")
    elif asked.client_id is not None and asked.client_id != identity.client_id:
        return forbidden()
    security = securities.get(asked.security_id)
    if security is None:
        return invalid(f"{pointer}/security_id", "is not listed", code="unknown_security")
    if isinstance(asked, Cancel):
        return None
    if asked.quantity is not None and asked.quantity > max_quantity:
        return invalid(f"{pointer}/quantity", f"must be at most {max_quantity:,}")
    if isinstance(asked, Replace):
        return _refusal_of_replace(asked, pointer, security)
    return _refusal_of_order(asked, pointer, security, now_us)


def _refusal_of_replace(asked: Replace, pointer: str, security: Security) -> Problem | None:
    if asked.price is not None:
        return _refusal_of_price(asked.price, f"{pointer}/price", security)
    return invalid(pointer, "changes nothing: give a quantity, a price or both") if asked.quantity is None else None


def _refusal_of_order(order: NewOrder, pointer: str, security: Security, now_us: int) -> Problem | None:
    if isinstance(order, MarketOrder):
        return None
    if (refused := _refusal_of_expiry(order, pointer, now_us)) is not None:
        return refused
    if order.post_only and order.time_in_force not in RESTING:
        return invalid(f"{pointer}/post_only", "needs an order that can rest: time_in_force must be gtc, day or gtd")
    if not isinstance(order, LimitOrder):
        refused = _refusal_of_price(order.stop_price, f"{pointer}/stop_price", security)
        if refused or isinstance(order, StopOrder):
            return refused
    elif order.display_quantity is not None and (refused := _refusal_of_iceberg(order, pointer)):
        return refused
    return _refusal_of_price(order.price, f"{pointer}/price", security)


def _refusal_of_expiry(order: LimitOrder | StopOrder | StopLimitOrder, pointer: str, now_us: int) -> Problem | None:
    if order.time_in_force != "gtd":
        return None if order.expires_at is None else invalid(f"{pointer}/expires_at", "is allowed for gtd orders only")
    if order.expires_at is None:
        return invalid(f"{pointer}/expires_at", "is required: a gtd order needs its end")
    if order.expires_at <= now_us:
        return invalid(f"{pointer}/expires_at", "must be in the future", code=EXPIRED)
    return None


def _refusal_of_iceberg(order: LimitOrder, pointer: str) -> Problem | None:
    shown = order.display_quantity or 0
    if order.time_in_force not in RESTING:
        return invalid(
            f"{pointer}/display_quantity", "needs an order that can rest: time_in_force must be gtc, day or gtd"
        )
    if shown >= order.quantity:
        return invalid(f"{pointer}/display_quantity", "must be less than quantity")
    if shows_too_little(shown, order.quantity):
        return invalid(f"{pointer}/display_quantity", f"must be at least 1/{MAX_REFILLS} of quantity")
    return None


def _refusal_of_price(price_cents: int, pointer: str, security: Security) -> Problem | None:
    if not security.min_price_cents <= price_cents <= security.max_price_cents:
        lowest, highest = dollars(security.min_price_cents), dollars(security.max_price_cents)
        return invalid(pointer, f"must be from {lowest:,} to {highest:,}", code="price_out_of_band")
    if price_cents % security.tick_cents:
        return invalid(pointer, f"must be a multiple of {dollars(security.tick_cents)}", code="price_off_tick")
    return None


def message_of(asked: Request, number: int, client_id: str, received_us: int) -> Message:
    """Return the message for a request; `number` becomes the id of a new order, or the number of the command."""
    if isinstance(asked, LimitOrder):
        return OrderRequest(
            number,
            client_id,
            asked.client_order_id,
            asked.security_id,
            "limit",
            asked.side,
            asked.quantity,
            asked.price,
            asked.time_in_force,
            asked.post_only,
            received_us,
            None,
            asked.display_quantity,
            asked.expires_at,
        )
    if isinstance(asked, Cancel):
        return CancelRequest(number, client_id, asked.security_id, asked.order_id, received_us)
    if isinstance(asked, Replace):
        return ReplaceRequest(
            number, client_id, asked.security_id, asked.order_id, asked.quantity, asked.price, received_us
        )
    return OrderRequest(
        number,
        client_id,
        asked.client_order_id,
        asked.security_id,
        asked.type,
        asked.side,
        asked.quantity,
        asked.price if isinstance(asked, StopLimitOrder) else None,
        asked.time_in_force,
        asked.post_only,
        received_us,
        None if isinstance(asked, MarketOrder) else asked.stop_price,
        None,
        None if isinstance(asked, MarketOrder) else asked.expires_at,
    )
