"""Fees: the fee of either side of a trade, and the cash that an order holds for its fees.

Rates are integer hundredths of a basis point (parts per million) of the cash of a trade, one for the maker and one for
the taker; a negative rate is a rebate. A security's rates change only while it has no open orders, so a trade is
charged at the rates at which its orders were held.
"""

from __future__ import annotations

_PARTS = 1_000_000


def fee_cents(cash_cents: int, rate_ppm: int) -> int:
    """Return what one side pays for a trade, rounded towards zero; negative for a rebate.

    cash_cents  quantity x price, > 0 [cents]
    rate_ppm    -1,000,000 < rate < 1,000,000 [hundredths of a basis point]
    """
    fee = cash_cents * abs(rate_ppm) // _PARTS
    return fee if rate_ppm >= 0 else -fee


def rate_ppm(side: str, aggressor_side: str | None, *, maker_ppm: int, taker_ppm: int) -> int:
    """Return the rate of one side of a trade: the taker's for the incoming order, the maker's for the resting one.

    In an auction neither order was resting: both pay the higher rate, so a rebate there costs the exchange nothing.
    """
    if aggressor_side is None:
        return max(maker_ppm, taker_ppm)
    return taker_ppm if side == aggressor_side else maker_ppm


def highest_fee_ppm(*, maker_fee_ppm: int, taker_fee_ppm: int) -> int:
    """Return the highest rate that an order may pay, because it may become maker or taker."""
    return max(maker_fee_ppm, taker_fee_ppm, 0)


def fee_hold_cents(cash_cents: int, highest_ppm: int) -> int:
    """Return what a buy order holds for fees on top of its price: the fee on its open value, rounded up once.

    cash_cents   open quantity x limit, >= 0 [cents]
    highest_ppm  >= 0 [hundredths of a basis point]

    A fill of q at p <= limit takes the open quantity from o to o - q and releases hold(o) - hold(o - q), which is at
    least q x limit x rate rounded down, so at least its fee. So the hold covers any fills in any order, and is always a
    function of the open quantity.
    """
    return -(-cash_cents * highest_ppm // _PARTS)
