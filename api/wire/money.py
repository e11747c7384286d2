"""Convert money between clients and the exchange: exact decimal dollars outside, integer cents inside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, LiteralString

MoneyFault = Literal["not_a_number", "out_of_range", "not_whole_cents"]

# The faults of a price that have a code of their own.
PRICE_CODES: Mapping[MoneyFault, LiteralString] = {
    "out_of_range": "price_out_of_band",
    "not_whole_cents": "price_off_tick",
}
MONEY_FAULTS: Mapping[MoneyFault, LiteralString] = {
    "not_a_number": "must be a number, or a string with the digits of a number",
    "out_of_range": "is out of range",
    "not_whole_cents": "must have at most two decimals",
}

# A number as JSON writes it without an exponent.
_DIGITS = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?")


def cents_of(amount: object, *, below_cents: int) -> int | MoneyFault:
    """Return the integer cents of a JSON number, or of a string with the same digits; or the fault of the amount.

    amount       int or Decimal from the JSON, never a float
    below_cents  the magnitude must be below this
    """
    if isinstance(amount, str) and _DIGITS.fullmatch(amount):
        amount = Decimal(amount)
    if type(amount) is int:
        cents = amount * 100
        return cents if -below_cents < cents < below_cents else "out_of_range"
    if not isinstance(amount, Decimal):
        return "not_a_number"
    below = Decimal(below_cents).scaleb(-2)
    if not -below < amount < below:  # compared, not multiplied: an exponent may be beyond all arithmetic
        return "out_of_range"
    cents = int(amount * 100)
    # Decimal rounds the product to 28 digits, but the comparison is exact: it notices even a hundredth digit.
    return cents if Decimal(cents).scaleb(-2) == amount else "not_whole_cents"


def dollars(cents: int) -> Decimal:
    """Return cents as decimal dollars with two places."""
    return Decimal(cents).scaleb(-2)
