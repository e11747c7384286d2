"""What a unit of executions changes in `clearing_data`: the values that clearing works out and settlement writes.

They stand by themselves so that the rules which make them need no database, and the queries which write them no rules.
All amounts are differences, so that units may be applied in any order: cents, shares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.messages import Side


@dataclass(slots=True)
class AccountChange:
    """What a client's cash account gains (+) or loses (-)."""

    balance_cents: int = 0
    held_cents: int = 0


@dataclass(slots=True)
class HoldingChange:
    """What a client's holding of a security gains (+) or loses (-)."""

    shares: int = 0
    held: int = 0


@dataclass(slots=True)
class OrderChange:
    """What happened to an order, and what its executions say the order is.

    hold_cents   cash held for a share of a buy order [cents]; None when only fills of a sell order are known
    rejected     whether it was closed as rejected rather than cancelled
    """

    client_id: str
    security_id: str
    side: Side
    hold_cents: int | None
    filled_quantity: int = 0
    filled_cents: int = 0
    closed_quantity: int = 0
    rejected: bool = False
    reason: str | None = None
    updated_us: int = 0


class ChangedOrder(NamedTuple):
    """An order after a change, as the register of orders knows it."""

    order_id: int
    client_id: str
    security_id: str
    side: Side
    hold_cents: int
    is_closed: bool


class LastPrice(NamedTuple):
    """The price of a trade [cents], and the trade."""

    event_id: int
    price_cents: int


class LedgerEntry(NamedTuple):
    """One leg of a trade: what an account gains, and the counterparty loses [cents, shares]."""

    event_id: int
    account: str
    security_id: str
    cash_cents: int
    shares: int


@dataclass(slots=True)
class Settlement:
    """Everything that a unit of executions changes, netted, and its ledger entries, gross."""

    orders: dict[int, OrderChange] = field(default_factory=dict)
    accounts: dict[str, AccountChange] = field(default_factory=dict)
    holdings: dict[tuple[str, str], HoldingChange] = field(default_factory=dict)
    last_prices: dict[str, LastPrice] = field(default_factory=dict)
    ledger: list[LedgerEntry] = field(default_factory=list)
