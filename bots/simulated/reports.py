"""Makes the reports of the contract from requests and events: answers to requests, and changes of orders.

Settlements are not reported: in this market none fails, and a successful one changes nothing for a bot.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from bots.contract import Report, Side
from bots.simulated.dollars import price_of
from tasks.messages import (
    CancelRefused,
    CancelRequest,
    Event,
    MassCancelRequest,
    OrderClosed,
    OrderReplaced,
    OrderRequest,
    OrderTriggered,
    PlaceOrder,
    ReplaceRefused,
    ReplaceRequest,
    Request,
    SecurityEvent,
    SecurityRequest,
    TradeMade,
)
from tasks.order_entry.rules.buy_ins import REASON as BUY_IN

ClientReport = tuple[str, Report]  # client id and its report

_CHANGED = (OrderReplaced, OrderTriggered)
_REFUSED = (CancelRefused, ReplaceRefused)
# Requests whose events report them in any case, once they are admitted.
_REPORTED_BY_EVENTS = frozenset({CancelRequest, ReplaceRequest, MassCancelRequest})


def answer(request: Request, denied: str | None) -> ClientReport | None:
    """Make order entry's report on a request; `denied` is the reason of a denial. A halt belongs to no client."""
    if isinstance(request, OrderRequest):
        return request.client_id, Report(
            event_type="order",
            status="denied" if denied else "confirmed",
            order_id=request.order_id,
            client_id=request.client_id,
            security_id=request.security_id,
            side=request.side,
            quantity=request.quantity,
            price=None if request.price_cents is None else price_of(request.price_cents),
            reason=denied,
        )
    if isinstance(request, SecurityRequest):
        return None
    # A report without a side concerns the request and not the state of the order.
    order_id = request.command_id if isinstance(request, MassCancelRequest) else request.order_id
    return request.client_id, Report(
        event_type="order",
        status="denied" if denied else "confirmed",
        order_id=order_id,
        client_id=request.client_id,
        security_id=request.security_id or "",
        quantity=request.quantity if isinstance(request, ReplaceRequest) else None,
        reason=denied,
    )


def purchase(order: PlaceOrder) -> ClientReport:
    """Make the report of an order by which the clearinghouse buys in a client."""
    return order.client_id, Report(
        event_type="order",
        status="confirmed",
        order_id=order.order_id,
        client_id=order.client_id,
        security_id=order.security_id,
        side=order.side,
        quantity=order.quantity,
        reason=BUY_IN,
    )


def is_news(request: Request, denied: str | None) -> bool:
    """Return whether to send the answer: the events of an admitted cancel or replacement report it in any case."""
    return denied is not None or type(request) not in _REPORTED_BY_EVENTS


def legs(trade: TradeMade) -> tuple[ClientReport, ClientReport]:
    """Make the buyer's and the seller's report of a trade."""
    price = price_of(trade.price_cents)
    return (
        (trade.buyer, _leg(trade, trade.buy_order_id, trade.buyer, "buy", price)),
        (trade.seller, _leg(trade, trade.sell_order_id, trade.seller, "sell", price)),
    )


def _leg(trade: TradeMade, order_id: int, client_id: str, side: Side, price: Decimal) -> Report:
    return Report(
        event_type="trade",
        status="confirmed",
        order_id=order_id,
        client_id=client_id,
        security_id=trade.security_id,
        side=side,
        quantity=trade.quantity,
        price=price,
    )


def change(event: Event) -> ClientReport | None:
    """Make the report of an event other than a trade; None for an event of a security, which has no client."""
    if isinstance(event, SecurityEvent):
        return None
    if isinstance(event, OrderClosed):
        return event.client_id, _changed(
            event, "denied", quantity=event.quantity, price_cents=event.limit_cents, reason=event.reason
        )
    if isinstance(event, _CHANGED):
        reason = "replaced" if isinstance(event, OrderReplaced) else "triggered"
        return event.client_id, _changed(
            event, "confirmed", quantity=event.quantity, price_cents=event.price_cents, reason=reason
        )
    assert isinstance(event, _REFUSED), "there is no other event"
    return event.client_id, Report(
        event_type="order",
        status="denied",
        order_id=event.order_id,
        client_id=event.client_id,
        security_id=event.security_id,
        reason=event.reason,
    )


def _changed(
    event: OrderClosed | OrderReplaced | OrderTriggered,
    status: Literal["confirmed", "denied"],
    *,
    quantity: int,
    price_cents: int | None,
    reason: str,
) -> Report:
    return Report(
        event_type="order",
        status=status,
        order_id=event.order_id,
        client_id=event.client_id,
        security_id=event.security_id,
        side=event.side,
        quantity=quantity,
        price=None if price_cents is None else price_of(price_cents),
        reason=reason,
    )
