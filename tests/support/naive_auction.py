"""The naive uncross of an auction: it looks at every limit, every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Collected(Protocol):
    """An order in an auction: its open quantity [shares], and its rank among the orders at its price."""

    side: str
    price_cents: int
    place: int

    @property
    def open(self) -> int: ...


# The outcome of an auction: its price, volume, surplus and the side of the surplus.
Outcome = tuple[int | None, int, int, str | None]
NOTHING: Outcome = (None, 0, 0, None)


def outcome(orders: Sequence[Collected], reference_cents: int | None) -> Outcome:
    """Return the price with the largest volume, and that volume.

    Among prices of equal volume it is that with the smallest surplus; of these the highest if buyers have the
    surplus at all of them, the lowest if sellers have; otherwise that nearest to the reference price, and of two
    equally near the higher. Without a reference price it is the highest.
    """
    found = []
    for price_cents in {order.price_cents for order in orders}:
        demand = sum(order.open for order in orders if order.side == "buy" and order.price_cents >= price_cents)
        supply = sum(order.open for order in orders if order.side == "sell" and order.price_cents <= price_cents)
        found.append((price_cents, min(demand, supply), demand - supply))
    volume = max((volume for _, volume, _ in found), default=0)
    if volume == 0:
        return NOTHING
    found = [one for one in found if one[1] == volume]
    surplus = min(abs(more) for _, _, more in found)
    found = [one for one in found if abs(one[2]) == surplus]
    prices = sorted(price_cents for price_cents, _, _ in found)
    if all(more > 0 for _, _, more in found) or (reference_cents is None and not all(more < 0 for _, _, more in found)):
        price_cents = prices[-1]
    elif all(more < 0 for _, _, more in found):
        price_cents = prices[0]
    else:
        nearest = min(abs(price - reference_cents) for price in prices)  # type: ignore[operator]
        price_cents = [price for price in prices if abs(price - reference_cents) == nearest][-1]  # type: ignore[operator]
    (more,) = [more for price, _, more in found if price == price_cents]
    return price_cents, volume, surplus, "buy" if more > 0 else "sell" if more < 0 else None


def pairs(orders: Sequence[Collected], volume: int) -> list[tuple[Collected, Collected, int]]:
    """Return pairs of buyer and seller with quantities: on both sides the best price first, then the oldest order."""
    buys = sorted((one for one in orders if one.side == "buy"), key=lambda buy: (-buy.price_cents, buy.place))
    sells = sorted((one for one in orders if one.side == "sell"), key=lambda sell: (sell.price_cents, sell.place))
    bought = [buy for buy in buys for _ in range(buy.open)][:volume]  # an order for each share
    sold = [sell for sell in sells for _ in range(sell.open)][:volume]
    made: list[tuple[Collected, Collected, int]] = []
    for buy, sell in zip(bought, sold, strict=True):
        if made and made[-1][0] is buy and made[-1][1] is sell:
            made[-1] = (buy, sell, made[-1][2] + 1)
        else:
            made.append((buy, sell, 1))
    return made
