"""Orders within a bot's means: what it can pay for, near the last price, and not against its own orders."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from bots.contract import Side
from bots.strategy import SIDES, Strategy, option
from bots.working_order import WorkingOrder


@dataclass
class Noise(Strategy):
    """A trader without an opinion; an option keeps its position near the opening one.

    Random sides lead as far from the opening position as the account allows, and traders that know the value of a share
    run out of means to trade against that.
    """

    drift: int = option(0, "largest distance from its opening position, at which it turns back; 0 for any [shares]")

    _neutral: int = field(default=0, init=False, repr=False, compare=False)

    def on_start(self) -> None:
        """Take the opening position as neutral."""
        self._neutral = self.position()

    def side(self, quantity: int) -> Side:
        """Draw a side for an order; return the opposite one if the order would lead too far."""
        side = self.rng.choice(SIDES)
        after = self.position() - self._neutral + (quantity if side == "buy" else -quantity)
        if self.drift and abs(after) > self.drift:
            return "sell" if after > 0 else "buy"
        return side


def last_of(strategy: Strategy) -> float | None:
    """Return the last price of the strategy's security, before the first trade its reference price [dollars]."""
    last = strategy.price().last or strategy.security.reference_price
    return None if last is None else float(last)


def collared(strategy: Strategy, price: float, collar: float) -> float:
    """Return a price no further from the last one than the collar [fraction]; 0 is no collar."""
    last = last_of(strategy)
    if not collar or last is None:
        return price
    return min(max(price, last * (1 - collar)), last * (1 + collar))


def place(
    strategy: Strategy, side: Side, quantity: int, price: float | Decimal | None = None, *, most_open: int = 0
) -> None:
    """Place an order that the account can pay for, at a limit or at the market; otherwise do nothing.

    most_open  open orders that the strategy keeps: it cancels the oldest beyond, and instead of an order that would
               trade with its own it cancels that one; 0 keeps all
    raises     what the venue raises
    """
    security = strategy.security
    limit = None if price is None else security.nearest(price)
    if most_open:
        mine = [one for one in strategy.open_orders.values() if one.security_id == security.security_id]
        met = next((one for one in mine if _meets(one, side, limit)), None)
        oldest = mine[0] if len(mine) >= most_open else None
        for order in (met, oldest):
            if order is not None and not order.cancelling:
                strategy.cancel(order.order_id)
        if met is not None:
            return
    if can_pay(strategy, side, quantity, limit):
        strategy.order(side, quantity, limit)


def can_pay(strategy: Strategy, side: Side, quantity: int, limit: Decimal | None) -> bool:
    """Return whether the account has the shares, or the cash that the exchange holds for the order."""
    if side == "sell":
        return strategy.available() >= quantity
    last = last_of(strategy)
    cost = limit if limit is not None else strategy.security.collar(Decimal(str(last or 0)))
    return strategy.cash >= cost * quantity


def _meets(own: WorkingOrder, side: Side, limit: Decimal | None) -> bool:
    if own.side == side:
        return False
    if limit is None or own.price is None:
        return True
    return own.price <= limit if side == "buy" else own.price >= limit
