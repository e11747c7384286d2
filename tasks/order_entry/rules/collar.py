"""The collar: the worst price at which a market order may trade, so that its highest cost is known beforehand."""

from __future__ import annotations

from fractions import Fraction

from tasks.messages import Side


def collar_price(
    reference_cents: int,
    side: Side,
    *,
    band: Fraction,
    tick_cents: int,
    min_price_cents: int,
    max_price_cents: int,
) -> int:
    """Return the worst price at which a market order may trade.

    reference_cents  last known price, > 0 [cents/share]
    band             largest move allowed, 0 < band < 1 [fraction of the reference]
    tick_cents       the grid of prices [cents/share]
    min_price_cents, max_price_cents  lowest and highest price of an order of the security [cents/share]
    returns          price on the grid and within those, rounded towards the reference [cents/share]
    raises           ValueError  reference_cents <= 0
    source           market-order protection as on CME Globex
    """
    if reference_cents <= 0:
        raise ValueError("a reference price must be positive")
    if side == "buy":
        highest = reference_cents * (band.denominator + band.numerator) // band.denominator
        return min(highest, max_price_cents) // tick_cents * tick_cents
    lowest = _ceil_div(reference_cents * (band.denominator - band.numerator), band.denominator)
    return _ceil_div(max(lowest, min_price_cents), tick_cents) * tick_cents


def _ceil_div(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
