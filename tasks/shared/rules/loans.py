"""Stock loans: what an order that sells short holds, what a client owes, and the collateral this requires.

A client never holds fewer than 0 shares: what it sells beyond its own it borrows from DTCC and owes. With its net
position n (holding less debt) and the shares h that its open orders hold, it owes d = max(h - n, 0) and holds n + d:
it owes nothing while a share is available. n and h are sums, so it does not matter in which order trades settle.

Prices and cash are integer cents, quantities integer shares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Split(NamedTuple):
    """The holds of an order that sells short: shares of its client, shares located at DTCC, margin [cents]."""

    owned: int
    short: int
    margin_cents: int


NOTHING = Split(0, 0, 0)


def split(*, most: int, owned: int, filled: int, closed: int, price_cents: int) -> Split:
    """Return what an order holds; its client's own shares are sold first.

    most         the largest total quantity that it has, or that an admitted replacement gives it
    owned        how many of these shares belong to the client
    price_cents  its highest limit, or its collar

    The result depends on sums only, so fills and closes may settle in any order.
    """
    short = max(most - closed - owned, 0) - max(filled - owned, 0)
    return Split(min(owned, most - closed) - min(owned, filled), short, margin_cents(short, price_cents))


def margin_cents(quantity: int, price_cents: int) -> int:
    """Return an order's margin for the shares it may borrow: half of their value at its limit, rounded up [cents]."""
    return -(-quantity * price_cents // 2)


def owed(net_shares: int, held: int) -> int:
    """Return how many shares a client owes.

    net_shares  shares bought and received, less shares sold
    held        shares held for its open orders
    """
    return max(held - net_shares, 0)


def sold_cents(sales: Iterable[tuple[int, int]], owes: int) -> int:
    """Return the proceeds of the client's last sales, for as many shares as it owes [cents].

    sales   (quantity, price) of its sales, the last one first
    raises  ValueError  it has sold fewer shares than it owes
    """
    total = 0
    for quantity, price_cents in sales:
        if owes <= quantity:
            return total + owes * price_cents
        total += quantity * price_cents
        owes -= quantity
    if owes:
        raise ValueError(f"{owes} shares are owed that were never sold")
    return total


def collateral_cents(sold: int) -> int:
    """Return the collateral for shares sold for this amount: 150 %, rounded up [cents]."""
    return -(-3 * sold // 2)


def requirement_cents(value_cents: int) -> int:
    """Return the least sum of collateral and free cash: 125 % of the owed shares at their last prices [cents]."""
    return -(-5 * value_cents // 4)


def secured_cents(collateral: int, required: int) -> int:
    """Return the cash that no order and no withdrawal may take, because it secures owed shares [cents].

    The collateral follows from what the shares were sold for. If the price has risen since, they require more.
    """
    return max(collateral, required)


def margin_of_account(*, balance_cents: int, held_cents: int, collateral_cents: int) -> int:
    """Return the collateral and the free cash of an account [cents].

    Purchases that return shares may hold cash of the collateral; this cash still secures the shares until they trade.
    """
    free = balance_cents - held_cents - collateral_cents
    return collateral_cents + free if free >= 0 else min(collateral_cents, balance_cents)
