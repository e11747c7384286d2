"""A bot's cash and shares, computed from its own orders and trades alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

from bots.contract import Side
from bots.working_order import WorkingOrder

NOTHING = Decimal(0)


class Portfolio:
    """What a bot owns, and what its open orders hold of it.

    balance  cash, including what is held for open buy orders [dollars]
    shares   by security, including those in open sell orders

    Reports do not include fees, so where a security has fees the actual balance is a little lower.
    """

    def __init__(self, cash: Decimal, shares: Mapping[str, int]) -> None:
        self.balance = cash
        self.shares = Counter(shares)
        self._held = NOTHING
        self._selling: Counter[str] = Counter()

    @property
    def cash(self) -> Decimal:
        """Cash available to spend: the balance less what open buy orders may cost [dollars]."""
        return self.balance - self._held

    def available(self, security_id: str) -> int:
        """Return the shares that may still be sold: those in no open sell order."""
        return self.shares[security_id] - self._selling[security_id]

    def book_trade(self, security_id: str, side: Side | None, quantity: int, price: Decimal) -> None:
        """Exchange shares for cash; a negative quantity reverses a trade."""
        shares = quantity if side == "buy" else -quantity
        self.shares[security_id] += shares
        self.balance -= shares * price

    def hold(self, order: WorkingOrder) -> None:
        """Hold what the open part of an order needs."""
        self._change_hold(order, 1)

    def release(self, order: WorkingOrder) -> None:
        """Release what the open part of an order holds."""
        self._change_hold(order, -1)

    def _change_hold(self, order: WorkingOrder, sign: int) -> None:
        if order.side == "buy":
            self._held += sign * order.open_quantity * order.hold_price
        else:
            self._selling[order.security_id] += sign * order.open_quantity
