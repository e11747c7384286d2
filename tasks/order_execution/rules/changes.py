"""Changes that a batch of executions makes in `clearing_data`: clearing computes these values, settlement writes them.

Values made for every execution are Structs, which take a quarter of the time of a dataclass or a named tuple. They
have a module of their own so that the rules which make them need no database, and the queries which write them need
no rules. All amounts are differences, so batches may be applied in any order: cents, shares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import Struct

from tasks.messages import Side, TradeMade


class FeeRates(NamedTuple):
    """The fee rates of both sides of a security's trades [hundredths of a basis point]; see tasks.shared.rules.fees."""

    maker_ppm: int
    taker_ppm: int


class AccountChange(Struct):
    """A change of a client's cash account: gains are positive, losses negative."""

    balance_cents: int = 0
    held_cents: int = 0


class HoldingChange(Struct):
    """A change of a client's holding of a security: gains are positive, losses negative."""

    shares: int = 0
    held: int = 0


class Terms(NamedTuple):
    """The terms of an order after a replacement; of several, the one with the highest event id applies."""

    event_id: int
    quantity: int
    price_cents: int
    hold_cents: int


class Decided(NamedTuple):
    """A replacement that the engine carried out or refused; its reservation is released [cents or shares]."""

    order_id: int
    command_id: int
    client_id: str
    reserved: int


class OrderChange(Struct):
    """The changes of an order, and what its executions say about it.

    hold_cents     cash held for a share of a buy order [cents]; None when no execution of the batch states it
    holds_differ   whether they state different holds, as they may for an order that was replaced
    rejected       whether it was closed as rejected rather than cancelled
    terms          its new terms, if it was replaced
    needed         additional shares that replacements of a sell order hold (+) or release (-)
    """

    client_id: str
    security_id: str
    side: Side
    hold_cents: int | None
    holds_differ: bool = False
    filled_quantity: int = 0
    filled_cents: int = 0
    closed_quantity: int = 0
    rejected: bool = False
    reason: str | None = None
    updated_us: int = 0
    terms: Terms | None = None
    needed: int = 0


class ChangedOrder(Struct, frozen=True):
    """An order after a change, as the register of orders knows it."""

    order_id: int
    client_id: str
    security_id: str
    side: Side
    hold_cents: int
    is_replaced: bool  # at least one replacement of it was admitted
    is_closed: bool  # by this change
    fee_released_cents: int = 0  # by which its hold for fees shrinks


class LastPrice(Struct, frozen=True):
    """The price of a trade [cents], and the id of the trade."""

    event_id: int
    price_cents: int


class LedgerEntry(Struct, frozen=True, array_like=True):
    """A leg of a trade or a fee: the amount that an account gains and DTCC or EXCHANGE loses [cents, shares]."""

    event_id: int
    account: str
    security_id: str
    cash_cents: int
    shares: int


@dataclass(slots=True)
class Settlement:
    """All changes of a batch of executions, netted, and its ledger entries, gross.

    ledger     the legs of trades, against DTCC
    fees       fees and rebates, against EXCHANGE, which gains earned_cents by them
    decided    replacements whose reservations are released
    failed     trades that are not settled
    """

    orders: dict[int, OrderChange] = field(default_factory=dict)
    accounts: dict[str, AccountChange] = field(default_factory=dict)
    holdings: dict[tuple[str, str], HoldingChange] = field(default_factory=dict)
    last_prices: dict[str, LastPrice] = field(default_factory=dict)
    ledger: list[LedgerEntry] = field(default_factory=list)
    fees: list[LedgerEntry] = field(default_factory=list)
    earned_cents: int = 0
    decided: list[Decided] = field(default_factory=list)
    failed: list[TradeMade] = field(default_factory=list)
