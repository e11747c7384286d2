"""The cash and shares that a client may still commit within a batch, and those that the batch has held.

The first falls and the second rises as the batch's requests are admitted one by one. So orders that are affordable
individually, but not together, are not all admitted. Amounts are cents and shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.order_entry.rules.decisions import Limits


@dataclass(slots=True)
class Funds:
    """The locked account of a client: its available cash, its number of open orders, and whether it may trade."""

    available_cents: int
    open_orders: int
    state: str = "open"
    newly_held_cents: int = 0
    newly_open: int = 0
    limits: Limits | None = None  # its own limits; None: those of the exchange
    collateral_cents: int = 0  # for the shares that it owes
    required_cents: int = 0  # by the last prices of these shares; the larger of the two is not available
    competition: int | None = None  # it trades the securities of this competition; None: those of no competition

    def require(self, cents: int) -> None:
        """Keep back what the owed shares require beyond their collateral."""
        self.required_cents = cents
        self.available_cents -= max(cents - self.collateral_cents, 0)

    def may_open(self, max_open_orders: int) -> bool:
        """Return whether the client may have another open order."""
        return self.open_orders + self.newly_open < max_open_orders

    def hold(self, cents: int) -> bool:
        """Hold cash for a buy order; return False and hold nothing when there is not enough."""
        if cents > self.available_cents and cents > 0:
            return False
        self.available_cents -= cents
        self.newly_held_cents += cents
        return True


@dataclass(slots=True)
class Shares:
    """A client's shares of a security: those available, those it owes, and those that its open orders may borrow."""

    available: int
    newly_held: int = 0
    borrowed: int = 0
    located: int = 0
    newly_located: int = 0

    def hold(self, quantity: int) -> bool:
        """Hold shares for a sell order; return False and hold nothing when there are not enough."""
        if quantity > self.available:
            return False
        self.available -= quantity
        self.newly_held += quantity
        return True


@dataclass(slots=True)
class Debt:
    """The shares of a security that a client owes, and those that its open buy orders may return."""

    borrowed: int
    sold_cents: int
    open_buys: int
    last_cents: int = 0

    @property
    def value_cents(self) -> int:
        """The value of the owed shares."""
        return self.borrowed * self.last_cents


@dataclass(slots=True)
class Lendable:
    """DTCC's locked holding of a security: the shares that it has not yet promised to lend."""

    available: int
    newly_located: int = 0


def state_refusal(state: str) -> Literal["client_stopped", "account_closed", "buy_in"] | None:
    """Return why a client in this state may not trade; its open orders may always be cancelled."""
    if state == "open":
        return None
    if state == "buy_in":
        return "buy_in"
    return "client_stopped" if state == "stopped" else "account_closed"
