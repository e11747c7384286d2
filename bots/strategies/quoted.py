"""Whether a market quotes a price at all: the middle of a spread that is too wide is nobody's opinion."""

from __future__ import annotations

from bots.contract import Price

# A spread wider than this part of the middle says that one side is as good as empty.
WIDEST = 0.05


def mid_of(price: Price) -> float | None:
    """The middle between bid and ask [dollars]; None where a side is empty or the spread too wide to mean a price."""
    if price.bid is None or price.ask is None:
        return None
    bid, ask = float(price.bid), float(price.ask)
    mid = (bid + ask) / 2
    return mid if ask - bid <= WIDEST * mid else None
