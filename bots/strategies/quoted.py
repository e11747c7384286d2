"""Decides whether a market has a meaningful price: the midpoint of a very wide spread is not one."""

from __future__ import annotations

from bots.contract import Price

# Beyond this fraction of the mid, a spread means that one side is practically empty.
WIDEST = 0.05


def mid_of(price: Price) -> float | None:
    """Return the midpoint of bid and ask [dollars]; None if a side is empty or the spread is too wide."""
    if price.bid is None or price.ask is None:
        return None
    bid, ask = float(price.bid), float(price.ask)
    mid = (bid + ask) / 2
    return mid if ask - bid <= WIDEST * mid else None
