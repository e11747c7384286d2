"""The price of an auction if it ended now, known at every moment of the auction.

At each price the *demand* is the quantity of the buy orders with this limit or above, the *supply* that of the sell
orders with this limit or below, and the smaller of the two would trade. As the price rises, demand falls and supply
grows. So the volume is largest where they cross, and only the prices next to the crossing are candidates. This module
keeps the crossing, with its demand and supply, and moves it by a few prices with each order.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, NamedTuple

from tasks.messages import Side


class Indication(NamedTuple):
    """The outcome of an uncross: its price, None if nothing trades, and the other fields as in AuctionUpdate."""

    price_cents: int | None
    volume: int
    surplus: int
    surplus_side: Side | None


NOTHING: Final = Indication(None, 0, 0, None)


class Offer(NamedTuple):
    """Demand and supply of an auction at one of its orders' limits."""

    price_cents: int
    demand: int
    supply: int

    @property
    def volume(self) -> int:
        """The quantity that would trade [shares]."""
        return min(self.demand, self.supply)

    @property
    def surplus(self) -> int:
        """The quantity by which the larger side exceeds the other [shares]."""
        return abs(self.demand - self.supply)


def choose(offers: list[Offer], reference_cents: int) -> Indication:
    """Choose the price of an auction among the limits of its orders.

    The largest volume decides; then the smallest surplus; then the highest price if all have a surplus of buyers, the
    lowest if all have one of sellers, and otherwise the price nearest to the reference price, the higher of two that
    are equally near.

    offers           any order, at least one
    reference_cents  the reference price [cents/share]
    """
    volume = max(offer.volume for offer in offers)
    if not volume:
        return NOTHING
    largest = [offer for offer in offers if offer.volume == volume]
    surplus = min(offer.surplus for offer in largest)
    best = [offer for offer in largest if offer.surplus == surplus]
    if all(offer.demand > offer.supply for offer in best):
        chosen = max(best)
    elif all(offer.demand < offer.supply for offer in best):
        chosen = min(best)
    else:
        chosen = min(best, key=lambda offer: (abs(offer.price_cents - reference_cents), -offer.price_cents))
    side: Side | None = None
    if surplus:
        side = "buy" if chosen.demand > chosen.supply else "sell"
    return Indication(chosen.price_cents, volume, surplus, side)


class Crossing:
    """The crossing of demand and supply: the highest limit at which demand is at least supply, or else the lowest."""

    __slots__ = ("_at", "_bought", "_demand", "_prices", "_sold", "_supply")

    def __init__(self) -> None:
        self._prices: list[int] = []  # limits of orders, the lowest first
        self._bought: dict[int, int] = {}  # shares by price
        self._sold: dict[int, int] = {}
        self._at = 0  # index of the crossing; demand and supply are those at this price
        self._demand = 0
        self._supply = 0

    def set_level(self, price_cents: int, side: Side, quantity: int) -> None:
        """Set the quantity that one side wants or offers at a price [shares]."""
        own, other = (self._bought, self._sold) if side == "buy" else (self._sold, self._bought)
        before = own.get(price_cents, 0)
        if quantity == before:
            return
        if not before and price_cents not in other:
            self._add_price(price_cents)
        if side == "buy":
            if price_cents >= self._prices[self._at]:
                self._demand += quantity - before
        elif price_cents <= self._prices[self._at]:
            self._supply += quantity - before
        if quantity:
            own[price_cents] = quantity
        else:
            del own[price_cents]
            if price_cents not in other:
                self._drop_price(price_cents)

    def _add_price(self, price_cents: int) -> None:
        index = bisect_left(self._prices, price_cents)
        self._prices.insert(index, price_cents)
        if index <= self._at and len(self._prices) > 1:
            self._at += 1

    def _drop_price(self, price_cents: int) -> None:
        """Drop a price without orders."""
        index = bisect_left(self._prices, price_cents)
        del self._prices[index]
        if index < self._at:
            self._at -= 1
        elif index == self._at and index == len(self._prices) and index:
            self._at -= 1  # to the next lower price, whose buyers add to the demand
            self._demand += self._bought.get(self._prices[self._at], 0)
        elif index == self._at and index < len(self._prices):
            self._supply += self._sold.get(self._prices[index], 0)  # at the next higher price

    def find(self, reference_cents: int) -> Indication:
        """Return the outcome of an uncross at this moment.

        Below the crossing the volume is the supply, above it the demand. If neighbouring prices below it have the same
        supply, no order sells at the higher ones, so orders buy there and demand differs, except where no order buys at
        the lowest of them. So the lower of two neighbours may be equally good, but never a third; and likewise above.
        """
        if not self._prices:
            return NOTHING
        self._move()
        return self._clear_choice() or self._near_choice(reference_cents)

    def _clear_choice(self) -> Indication | None:
        """Return the price at the crossing or the next above it if no other is equally good, as is usual."""
        prices, bought, sold = self._prices, self._bought, self._sold
        at, above, demand, supply = self._at, self._at + 1, self._demand, self._supply
        if demand < supply:
            return None
        price_cents = prices[at]
        higher_demand = demand - bought.get(price_cents, 0)
        if higher_demand < supply:
            if at and price_cents not in sold and prices[at - 1] not in bought:
                return None
            return Indication(price_cents, supply, demand - supply, "buy" if demand > supply else None)
        if higher_demand == supply or (above + 1 < len(prices) and prices[above] not in bought):
            return None
        higher_supply = supply + sold[prices[above]]
        return Indication(prices[above], higher_demand, higher_supply - higher_demand, "sell")

    def _near_choice(self, reference_cents: int) -> Indication:
        """Return the best of the prices at the crossing and next to it."""
        first, last = max(self._at - 1, 0), min(self._at + 2, len(self._prices) - 1)
        demand, supply = self._demand, self._supply
        if first < self._at:
            demand += self._bought.get(self._prices[first], 0)
            supply -= self._sold.get(self._prices[self._at], 0)
        offers = [Offer(self._prices[first], demand, supply)]
        for index in range(first + 1, last + 1):
            demand -= self._bought.get(self._prices[index - 1], 0)
            supply += self._sold.get(self._prices[index], 0)
            offers.append(Offer(self._prices[index], demand, supply))
        return choose(offers, reference_cents)

    def _move(self) -> None:
        """Move to where demand and supply cross now."""
        prices, bought, sold = self._prices, self._bought, self._sold
        at, demand, supply = self._at, self._demand, self._supply
        while at + 1 < len(prices):
            higher_demand, higher_supply = demand - bought.get(prices[at], 0), supply + sold.get(prices[at + 1], 0)
            if higher_demand < higher_supply:
                break
            at, demand, supply = at + 1, higher_demand, higher_supply
        while at and demand < supply:
            supply -= sold.get(prices[at], 0)
            at -= 1
            demand += bought.get(prices[at], 0)
        self._at, self._demand, self._supply = at, demand, supply
