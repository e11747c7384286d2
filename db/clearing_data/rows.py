"""Rows of `clearing_data` as values; those that rules take and return are defined with the rules, in `tasks.*.rules`.

Cash is integer cents, quantities integer shares, times microseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.shared.rules.loans import requirement_cents, secured_cents


@dataclass(frozen=True, slots=True)
class Account:
    """Cash of a client; the holds of open orders and the collateral for owed shares are parts of the balance.

    owed_cents    the value of the owed shares at their last prices
    is_bought_in  whether the clearinghouse buys them; until this is over, some of the cash may be the default fund's
    """

    client_id: str
    balance_cents: int
    held_cents: int
    open_orders: int
    collateral_cents: int = 0
    owed_cents: int = 0
    is_bought_in: bool = False

    @property
    def available_cents(self) -> int:
        """Cash that a new order or a withdrawal may take."""
        if self.is_bought_in:
            return 0
        secured = secured_cents(self.collateral_cents, requirement_cents(self.owed_cents))
        return max(self.balance_cents - self.held_cents - secured, 0)


@dataclass(frozen=True, slots=True)
class Holding:
    """Shares of a client, including those held for open sell orders.

    borrowed    shares that it owes DTCC
    located     additional shares that its open orders may borrow
    sold_cents  proceeds of the shares that it owes [cents]
    """

    client_id: str
    security_id: str
    shares: int
    held: int
    borrowed: int = 0
    located: int = 0
    sold_cents: int = 0

    @property
    def available(self) -> int:
        """Shares that a new order or a withdrawal may take."""
        return self.shares - self.held


@dataclass(frozen=True, slots=True)
class Order:
    """An order that reached order entry, as the register of orders knows it."""

    order_id: int
    client_id: str
    client_order_id: str | None
    security_id: str
    type: str
    side: str
    quantity: int
    price_cents: int | None  # None for market and stop orders
    time_in_force: str
    post_only: bool
    created_us: int
    status: str
    filled_quantity: int
    filled_cents: int  # sum of quantity x price over the fills
    closed_quantity: int
    reason: str | None
    updated_us: int
    stop_price_cents: int | None = None
    display_quantity: int | None = None
    expires_us: int | None = None  # for a gtd order
    buy_in: bool = False  # placed by the clearinghouse, to buy shares that the client owes
    shortfall: Sequence[int] | None = None  # of a rejected order: needed and available [cents or shares, by reason]


@dataclass(frozen=True, slots=True)
class Fill:
    """A settled trade as one of its two sides sees it. `entry_id`, its place in the ledger, is the page cursor."""

    entry_id: int
    event_id: int
    client_id: str
    order_id: int
    security_id: str
    side: str
    quantity: int
    price_cents: int
    traded_us: int
    settled_us: int
    fee_cents: int  # what the client paid for it; negative for a rebate


@dataclass(frozen=True, slots=True)
class Promise:
    """The promise of a client order id: the order id given to its first request, and a digest of that request."""

    order_id: int
    digest: bytes
