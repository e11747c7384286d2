"""A bot's cash and shares, computed from its own orders and trades alone."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from decimal import Decimal
from functools import partial

from bots.contract import Side
from bots.working_order import WorkingOrder

NOTHING = Decimal(0)

# Sales of a security that are remembered for the collateral of the last ones.
REMEMBERED_SALES = 1_000


class Portfolio:
    """The assets of a bot, and the part of them that its open orders hold.

    balance  cash, including what is held for open buy orders [dollars]
    shares   by security, including those in open sell orders; below zero where shares are owed

    Reports do not include fees, so where a security has fees the actual balance is a little lower. The collateral for
    shares that were owed at the beginning is unknown and left out.
    """

    def __init__(self, cash: Decimal, shares: Mapping[str, int]) -> None:
        self.balance = cash
        self.shares = Counter(shares)
        self._held = NOTHING
        self._selling: Counter[str] = Counter()
        self._selling_value: dict[str, Decimal] = defaultdict(Decimal)
        self._sales: dict[str, deque[tuple[int, Decimal]]] = defaultdict(partial(deque, maxlen=REMEMBERED_SALES))

    @property
    def cash(self) -> Decimal:
        """Cash available to spend: the balance less what open orders hold and owed shares require [dollars]."""
        required = owed = NOTHING
        for name, selling in self._selling.items():
            if selling > max(self.shares[name], 0):
                required += self._required(name)
        for name, shares in self.shares.items():
            if shares < 0:
                owed += self._collateral(name)
        return self.balance - self._held - required - owed

    def available(self, security_id: str) -> int:
        """Return the shares that may still be sold without borrowing: those in no open sell order."""
        return max(self.shares[security_id] - self._selling[security_id], 0)

    def borrowed(self, security_id: str) -> int:
        """Return the shares owed."""
        return max(-self.shares[security_id], 0)

    def _required(self, security_id: str) -> Decimal:
        """Return approximately the hold of open orders that may borrow: half of the value of these shares."""
        selling = self._selling[security_id]
        short = selling - max(self.shares[security_id], 0)
        return self._selling_value[security_id] * short / selling / 2

    def _collateral(self, security_id: str) -> Decimal:
        """Return 150 % of the proceeds of the last sales, for as many shares as are owed."""
        owed, sold = self.borrowed(security_id), NOTHING
        for quantity, price in reversed(self._sales[security_id]):
            sold += min(quantity, owed) * price
            owed -= min(quantity, owed)
            if not owed:
                break
        return sold * 3 / 2

    def book_trade(self, security_id: str, side: Side | None, quantity: int, price: Decimal) -> None:
        """Exchange shares for cash; a negative quantity reverses a trade."""
        shares = quantity if side == "buy" else -quantity
        self.shares[security_id] += shares
        self.balance -= shares * price
        if shares < 0:
            self._sales[security_id].append((-shares, price))

    def hold(self, order: WorkingOrder) -> None:
        """Hold the cash or shares that the open part of an order needs."""
        self.hold_more(order, order.open_quantity)

    def release(self, order: WorkingOrder) -> None:
        """Release the cash or shares that the open part of an order holds."""
        self.hold_more(order, -order.open_quantity)

    def hold_more(self, order: WorkingOrder, quantity: int) -> None:
        """Hold what this many more shares of an order need; release it for a number below zero."""
        if order.side == "buy":
            self._held += quantity * order.hold_price
        else:
            self._selling[order.security_id] += quantity
            self._selling_value[order.security_id] += quantity * order.hold_price
