"""What a client may still commit within a unit, and what the unit has held of it.

Both count down and up as the requests of the unit are admitted one by one, so that orders that are each affordable,
but not together, are not all admitted. Amounts are cents and shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.order_entry.rules.decisions import Limits


@dataclass(slots=True)
class Funds:
    """The locked account of a client: what is available, the open orders it has, and whether it may trade."""

    available_cents: int
    open_orders: int
    state: str = "open"
    newly_held_cents: int = 0
    newly_open: int = 0
    limits: Limits | None = None  # its own; None: those of the exchange
    collateral_cents: int = 0  # beside what is available
    competition: int | None = None  # whose securities it trades; None: those of no competition

    def may_open(self, max_open_orders: int) -> bool:
        """Return whether the client may have another open order."""
        return self.open_orders + self.newly_open < max_open_orders

    def hold(self, cents: int) -> bool:
        """Hold cash for a buy order; False, and nothing is held, when it is not there."""
        if cents > self.available_cents and cents > 0:
            return False
        self.available_cents -= cents
        self.newly_held_cents += cents
        return True


@dataclass(slots=True)
class Shares:
    """A client's holding of a security: what is available of it, what it owes, what its open orders may borrow."""

    available: int
    newly_held: int = 0
    borrowed: int = 0
    located: int = 0
    newly_located: int = 0

    def hold(self, quantity: int) -> bool:
        """Hold shares for a sell order; False, and nothing is held, when they are not there."""
        if quantity > self.available:
            return False
        self.available -= quantity
        self.newly_held += quantity
        return True


@dataclass(slots=True)
class Debt:
    """What a client owes of a security, and the shares that its open buy orders may return."""

    borrowed: int
    sold_cents: int
    open_buys: int


@dataclass(slots=True)
class Lendable:
    """What DTCC has of a security and has not promised to lend: its locked holding."""

    available: int
    newly_located: int = 0


def state_refusal(state: str) -> Literal["client_stopped", "account_closed", "buy_in"] | None:
    """Why a client in this state may not trade; what is open of it may always be cancelled."""
    if state == "open":
        return None
    if state == "buy_in":
        return "buy_in"
    return "client_stopped" if state == "stopped" else "account_closed"
