"""Margin and the default fund: which clients are bought in, and what the fund pays beyond a client's cash.

Collateral and free cash must come to 125 % of the owed shares at their last prices. A client that falls below is
bought in until it owes nothing. Once the client's cash cannot buy a single share, EXCHANGE, the default fund, pays
what the rest may cost; when the client owes nothing any more, the fund gets back what is left of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.shared.rules.loans import margin_of_account, requirement_cents


class Owed(NamedTuple):
    """Shares of a security that a client owes, and its last price."""

    security_id: str
    shares: int
    last_cents: int


@dataclass(frozen=True, slots=True)
class OwingAccount:
    """An account that owes shares or is bought in [cents].

    buy_in_us   when its buy-in began
    fund_cents  cash that the default fund has paid for it since then
    """

    client_id: str
    balance_cents: int
    held_cents: int
    collateral_cents: int
    open_orders: int
    buy_in_us: int | None
    fund_cents: int
    owed: list[Owed] = field(default_factory=list)

    @property
    def margin_cents(self) -> int:
        """Collateral and free cash."""
        return margin_of_account(
            balance_cents=self.balance_cents, held_cents=self.held_cents, collateral_cents=self.collateral_cents
        )

    @property
    def requirement_cents(self) -> int:
        """The required margin."""
        return requirement_cents(sum(one.shares * one.last_cents for one in self.owed))

    @property
    def excess_cents(self) -> int:
        """The excess of the margin over the requirement; below 0 the client is bought in."""
        return self.margin_cents - self.requirement_cents


class Payment(NamedTuple):
    """Cash that the default fund pays to an account (+) or gets back (-), and whether its buy-in is over."""

    client_id: str
    cents: int
    is_over: bool


def to_buy_in(accounts: Sequence[OwingAccount]) -> list[OwingAccount]:
    """Return the accounts whose buy-in begins."""
    return [one for one in accounts if one.buy_in_us is None and one.excess_cents < 0]


def payments(accounts: Sequence[OwingAccount], *, fund_cents: int) -> list[Payment]:
    """Return the payments of the default fund and to it; it pays no more than it has.

    A client's open orders are cancelled first, because the cash they hold is the client's. A buy-in lasts until all of
    them are closed: a purchase that is not needed any more is cancelled, and the client could not do that.
    """
    made = []
    for one in accounts:
        if one.buy_in_us is None:
            continue
        if not one.owed and not one.open_orders:
            back = min(one.fund_cents, max(one.balance_cents - one.held_cents, 0))
            made.append(Payment(one.client_id, -back, is_over=True))
            fund_cents += back
        elif one.owed and not one.open_orders:
            cents = min(missing_cents(one), fund_cents)
            fund_cents -= cents
            if cents:
                made.append(Payment(one.client_id, cents, is_over=False))
    return made


def missing_cents(account: OwingAccount) -> int:
    """Return the cash that an account lacks for its owed shares, once it cannot pay for one of them [cents]."""
    prices = [requirement_cents(one.last_cents) for one in account.owed]
    if account.balance_cents >= min(prices):
        return 0
    return sum(one.shares * price for one, price in zip(account.owed, prices, strict=True)) - account.balance_cents
