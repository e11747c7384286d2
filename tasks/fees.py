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


def hold_cents(price_cents: int, *, maker_fee_ppm: int, taker_fee_ppm: int) -> int:
    """What to hold for each share of a buy order at this limit, rounded up [cents/share].

    It covers price and fee of any fills, because a fee is at most its rate of what the fill costs:
    sum(q_i p_i + fee_i) <= sum(q_i) x hold for every p_i <= price_cents.
    """
    highest_ppm = max(maker_fee_ppm, taker_fee_ppm, 0)
    return price_cents - (-price_cents * highest_ppm // _PARTS)
