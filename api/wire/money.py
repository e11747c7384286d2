"""Money at the edge: exact decimal dollars outside, integer cents inside."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

MoneyFault = Literal["not_a_number", "out_of_range", "not_whole_cents"]

# As JSON writes a number without an exponent.
_DIGITS = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?")


def cents_of(amount: object, *, below_cents: int) -> int | MoneyFault:
    """Integer cents of a JSON number, or of a string with the same digits; or what is wrong with it.

    amount       int or Decimal as the JSON has it, never a float
    below_cents  its magnitude has to be below this
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
    # The product is rounded to 28 digits, the comparison is exact: so a hundredth digit does not get lost.
    return cents if Decimal(cents).scaleb(-2) == amount else "not_whole_cents"


def dollars(cents: int) -> Decimal:
    """Cents as decimal dollars with two places."""
    return Decimal(cents).scaleb(-2)
