"""A bot's own order as its reports describe it, from sending to its end."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from bots.contract import OPEN, OrderState, OrderStatus, Side

# Reasons that end an order which was in the market; any other reason means that it never entered it.
ENDS: frozenset[str | None] = frozenset({"cancelled", "unfilled", "self_trade", "expired", "settled", "buy_in"})


class WorkingOrder(Struct, kw_only=True):
    """One of the bot's orders; the session keeps it up to date, a strategy only reads it.

    price            limit [dollars per share]; None for a market or a stop order
    filled_quantity  shares that have traded
    status           `pending` until the first report; `new`, `partially_filled`; then `filled`, `cancelled`, `rejected`
    reason           why it ended, or `replaced` or `triggered` for an order that continues
    cancelling       its cancel was sent; it may still trade until a report confirms the cancel
    hold_price       what the exchange holds per share of a buy [dollars]: the limit, or a market order's collar
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
        if self.status not in OPEN:
            return 0
        left = self.quantity - self.filled_quantity
        return left if left > 0 else 0


class Fill(Struct, frozen=True, kw_only=True):
    """A trade of one of the bot's orders; `price` is in dollars per share."""

    order_id: int
    security_id: str
    side: Side
    quantity: int
    price: Decimal


def working(state: OrderState) -> WorkingOrder:
    """Make the working order of an open order as the exchange describes it."""
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
