"""Fees: what a trade costs either side, and what an order has to hold for it.

Rates are integer hundredths of a basis point (parts per million) of the cash of a trade, one for the side that rested
and one for the side that came; a negative one is a rebate. A security's rates change only while no order of it is
open, so a trade pays by the rates by which its orders were held.
"""

from __future__ import annotations

_PARTS = 1_000_000


def fee_cents(cash_cents: int, rate_ppm: int) -> int:
    """What one side pays for a trade, rounded towards zero; negative when it is paid.

    cash_cents  quantity x price, > 0 [cents]
    rate_ppm    -1,000,000 < rate < 1,000,000 [hundredths of a basis point]
    """
    fee = cash_cents * abs(rate_ppm) // _PARTS
    return fee if rate_ppm >= 0 else -fee


def rate_ppm(side: str, aggressor_side: str | None, *, maker_ppm: int, taker_ppm: int) -> int:
    """The rate that one side of a trade pays: the taker's for the order that came, the maker's for the one that rested.

    In an auction neither rested: both pay the higher rate, so that a rebate there costs the exchange nothing.
    """
    if aggressor_side is None:
        return max(maker_ppm, taker_ppm)
    return taker_ppm if side == aggressor_side else maker_ppm


def highest_fee_ppm(*, maker_fee_ppm: int, taker_fee_ppm: int) -> int:
    """The most that a side may have to pay: an order does not know which side it will be."""
    return max(maker_fee_ppm, taker_fee_ppm, 0)


def fee_hold_cents(cash_cents: int, highest_ppm: int) -> int:
    """What a buy order holds for fees beside its price: the fee on what is open of it at its limit, rounded up once.

    cash_cents   open quantity x limit, >= 0 [cents]
    highest_ppm  >= 0 [hundredths of a basis point]

    A fill of q at p <= limit takes the open quantity from o to o - q and releases hold(o) - hold(o - q), which is at
    least q x limit x rate rounded down, so at least its fee. So what is held covers any fills in any order, and it
    always is a function of what is open.
    """
    return -(-cash_cents * highest_ppm // _PARTS)
