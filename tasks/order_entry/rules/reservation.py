"""The amount reserved for a replacement, on top of what its order holds, until the replacement is settled.

Order entry sees an order in its last settled state. By now the engine may have filled more of it, and decided
replacements that have not settled yet, so the order has one of several possible terms there. Let the engine turn the
terms (total Q, hold h a share) into (Q', h') after F shares were filled: from then on the order needs (Q' - F) h'
instead of (Q - F) h. If each replacement reserves at least the difference, the amount held covers everything that may
still settle, in any order; tests/tasks/order_entry/rules/test_reservation.py checks this. So the reservation is the
largest difference over all F >= f, the shares that have settled, and over all terms that the order may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from tasks.messages import PlaceOrder, Side
from tasks.order_entry.rules.rows import ReplaceableOrder
from tasks.shared.rules.fees import fee_hold_cents


@dataclass(slots=True)
class Terms:
    """The extremes of an open order's terms at the engine: total quantities, limits, and a buy order's holds per share.

    filled            the settled quantity [shares]; the engine has filled as much or more
    display_quantity  the part that an iceberg shows [shares]
    fee_ppm           the rate at which it holds fees, 0 for a sell order: for largest_quantity shares, less those that
                      are gone (filled or closed), at largest_hold_cents each
    owned             of an order that sells short: how many of largest_quantity shares belong to the client
    margin_cents      the highest limit by which that order holds margin
    """

    type: str
    side: Side
    filled: int
    lowest_quantity: int
    highest_quantity: int
    lowest_hold_cents: int
    highest_hold_cents: int
    highest_price_cents: int
    display_quantity: int | None = None
    fee_ppm: int = 0
    largest_quantity: int = 0
    largest_hold_cents: int = 0
    gone: int = 0
    owned: int | None = None
    margin_cents: int = 0

    @classmethod
    def of(
        cls, order: PlaceOrder, *, fee_ppm: int = 0, owned: int | None = None, margin_cents: int | None = None
    ) -> Self:
        """Return the terms of a new order."""
        return cls(
            type=order.type,
            side=order.side,
            filled=0,
            lowest_quantity=order.quantity,
            highest_quantity=order.quantity,
            # In the register, the hold of a share of a sell order is its limit, too.
            lowest_hold_cents=order.hold_cents or order.price_cents,
            highest_hold_cents=order.hold_cents or order.price_cents,
            highest_price_cents=order.price_cents,
            display_quantity=order.display_quantity,
            fee_ppm=fee_ppm if order.side == "buy" else 0,
            largest_quantity=order.quantity,
            largest_hold_cents=order.hold_cents,
            owned=owned,
            margin_cents=margin_cents or (order.price_cents if order.side == "sell" else 0),
        )

    @classmethod
    def of_registered(cls, order: ReplaceableOrder) -> Self:
        """Return the terms of an order in the register, including those that pending replacements may give it."""
        hold, lowest, highest = order.hold_cents, order.lowest_price_cents, order.highest_price_cents
        return cls(
            type=order.type,
            side=order.side,
            filled=order.filled_quantity,
            lowest_quantity=order.lowest_quantity,
            highest_quantity=order.highest_quantity,
            lowest_hold_cents=hold if lowest is None else min(hold, lowest),
            highest_hold_cents=hold if highest is None else max(hold, highest),
            highest_price_cents=max(order.price_cents, highest or 0),
            display_quantity=order.display_quantity,
            fee_ppm=order.fee_ppm,
            largest_quantity=order.largest_quantity,
            largest_hold_cents=order.largest_hold_cents,
            gone=order.gone_quantity,
            owned=order.owned_quantity,
            margin_cents=order.margin_price_cents or order.price_cents,
        )

    def reserved_cents(self, quantity: int | None, hold_cents: int | None) -> int:
        """Return the amount to reserve for new terms of a buy order [cents]; None leaves a term unchanged."""
        # The total of an order that is open at the engine exceeds its filled quantity.
        least = max(self.lowest_quantity, self.filled)
        lowest, highest = self.lowest_hold_cents, self.highest_hold_cents
        if quantity is None:
            # (Q - F)(h' - h), and nothing if the price does not change either.
            most = max(self.highest_quantity, self.filled)
            return 0 if hold_cents is None else (most - self.filled) * max(hold_cents - lowest, 0)
        if hold_cents is None:
            return max(quantity - least, 0) * highest  # (Q' - Q) h
        # (Q' - F) h' - (Q - F) h falls with F when h' > h, and then F = f is the worst case; otherwise it grows with F,
        # up to F = Q.
        return max(
            (quantity - self.filled) * hold_cents - (least - self.filled) * lowest, (quantity - least) * hold_cents, 0
        )

    def fees_held_cents(
        self, quantity: int | None = None, price_cents: int | None = None, *, fee_ppm: int | None = None
    ) -> int:
        """Return what a buy order holds for fees, now or with these terms admitted [cents]; see tables.fee_hold."""
        open_quantity = max(self.largest_quantity, quantity or 0) - self.gone
        most_cents = open_quantity * max(self.largest_hold_cents, price_cents or 0)
        return fee_hold_cents(most_cents, self.fee_ppm if fee_ppm is None else fee_ppm)

    def reserved_shares(self, quantity: int | None) -> int:
        """Return the shares to reserve for a new total of a sell order [shares]."""
        return 0 if quantity is None else max(quantity - max(self.lowest_quantity, self.filled), 0)

    def widen(self, quantity: int | None, hold_cents: int | None, price_cents: int | None, *, fee_ppm: int = 0) -> None:
        """Widen the extremes by the terms of a replacement that goes to the engine."""
        self.fee_ppm = fee_ppm
        if quantity is not None:
            self.largest_quantity = max(self.largest_quantity, quantity)
            self.lowest_quantity = min(self.lowest_quantity, quantity)
            self.highest_quantity = max(self.highest_quantity, quantity)
        if hold_cents is not None:
            self.largest_hold_cents = max(self.largest_hold_cents, hold_cents)
            self.lowest_hold_cents = min(self.lowest_hold_cents, hold_cents)
            self.highest_hold_cents = max(self.highest_hold_cents, hold_cents)
        if price_cents is not None:
            self.highest_price_cents = max(self.highest_price_cents, price_cents)
