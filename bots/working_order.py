"""An order of a bot's own as its reports tell it, from the moment it was sent to its end."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from bots.contract import OPEN, OrderState, OrderStatus, Side

# Reasons with which an order ends that was in the market; with any other it never got there.
ENDS: frozenset[str | None] = frozenset({"cancelled", "unfilled", "self_trade"})


class WorkingOrder(Struct, kw_only=True):
    """An order of one's own; the desk keeps it up to date, a strategy only reads it.

    price            limit [dollars a share]; None for a market or a stop order
    filled_quantity  shares that have traded
    status           `pending` until its first report; `new`, `partially_filled`; then one of the three ends
    reason           why it ended, or `replaced` and `triggered` where it goes on
    cancelling       its cancel was sent, and it may still trade until the report says that it is done
    hold_price       what the exchange holds for a share of a buy [dollars]: the limit, or what a market order may cost
    """

    order_id: int
    security_id: str
    side: Side
    quantity: int
    price: Decimal | None = None
    filled_quantity: int = 0
    status: OrderStatus = "pending"
    reason: str | None = None
    cancelling: bool = False
    hold_price: Decimal = Decimal(0)

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.status in OPEN

    @property
    def open_quantity(self) -> int:
        """Shares that may still trade."""
        return max(self.quantity - self.filled_quantity, 0) if self.is_open else 0


class Fill(Struct, frozen=True, kw_only=True):
    """A trade of an order of one's own [dollars a share]."""

    order_id: int
    security_id: str
    side: Side
    quantity: int
    price: Decimal


def working(state: OrderState) -> WorkingOrder:
    """An order that was open before, as the exchange described it."""
    return WorkingOrder(
        order_id=state.order_id,
        security_id=state.security_id,
        side=state.side,
        quantity=state.quantity,
        price=state.price,
        filled_quantity=state.filled_quantity,
        status=state.status,
        hold_price=state.price or state.stop_price or Decimal(0),
    )
