"""What the exchange tells a client, in the form of the contract: the answer to a request, and what becomes of an order.

Settlements are not told: in this market none fails, and that one has succeeded changes nothing for a bot.
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
    ReplaceRefused,
    ReplaceRequest,
    Request,
    SecurityRequest,
    TradeMade,
)

Told = tuple[str, Report]  # client id, and what it is told


def answer(request: Request, denied: str | None) -> Told | None:
    """Order entry's word on a request; `denied` is why it goes no further. A halt is no client's."""
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
    # It says nothing of the state of an order, and what has no side is not taken for that.
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


def is_news(request: Request, denied: str | None) -> bool:
    """Whether an answer has to be told: what becomes of an admitted cancel or replacement is told in any case."""
    return denied is not None or not isinstance(request, CancelRequest | ReplaceRequest | MassCancelRequest)


def legs(trade: TradeMade) -> tuple[Told, Told]:
    """A trade as the buyer and as the seller hear of it."""
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


def change(event: Event) -> Told:
    """What happened to an order without a trade; of a trade there are two legs."""
    if isinstance(event, OrderClosed):
        return event.client_id, _changed(
            event, "denied", quantity=event.quantity, price_cents=event.limit_cents, reason=event.reason
        )
    if isinstance(event, OrderReplaced | OrderTriggered):
        reason = "replaced" if isinstance(event, OrderReplaced) else "triggered"
        return event.client_id, _changed(
            event, "confirmed", quantity=event.quantity, price_cents=event.price_cents, reason=reason
        )
    assert isinstance(event, CancelRefused | ReplaceRefused)
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
