"""Rows of stock loans as values, for the rules that make them and the queries that read and write them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.shared.rules.loans import Split, split

# Client and security.
Owner = tuple[str, str]


class ShortOrder(NamedTuple):
    """An order that sells short; see `loans.split` for what it holds."""

    most: int
    owned: int
    filled: int
    closed: int
    price_cents: int

    @property
    def holds(self) -> Split:
        """The shares and cash that it holds."""
        return split(
            most=self.most, owned=self.owned, filled=self.filled, closed=self.closed, price_cents=self.price_cents
        )


class Position(NamedTuple):
    """A client's holding of a security; see tables.holdings."""

    shares: int
    held: int
    borrowed: int
    located: int
    sold_cents: int


class ShortSale(NamedTuple):
    """A sale of a client that sells short."""

    client_id: str
    security_id: str
    event_id: int
    quantity: int
    price_cents: int


class LoanEntry(NamedTuple):
    """Shares that a client borrows from DTCC (+) or returns (-)."""

    account: str
    security_id: str
    shares: int


@dataclass(slots=True)
class Loans:
    """The changes that a batch makes to loans.

    positions         the positions after the batch
    entries           new entries of the ledger
    collateral_cents  change in the collateral required of each client
    lent, located     change in the shares of each security that DTCC has lent, or promised to open orders
    """

    positions: dict[Owner, Position] = field(default_factory=dict)
    entries: list[LoanEntry] = field(default_factory=list)
    collateral_cents: Counter[str] = field(default_factory=Counter)
    lent: Counter[str] = field(default_factory=Counter)
    located: Counter[str] = field(default_factory=Counter)
