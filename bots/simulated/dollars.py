"""Converts between the cents of the rules and the dollars of the contract."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation


class _Dollars(dict[int, Decimal]):
    """A cache: prices recur, and a look-up takes a tenth of the time that making a decimal takes."""

    def __missing__(self, cents: int) -> Decimal:
        dollars = self[cents] = Decimal(cents).scaleb(-2)
        return dollars


_dollars = _Dollars()


def price_of(cents: int) -> Decimal:
    """Return a price in dollars per share."""
    return _dollars[cents]


def cash_of(cents: int) -> Decimal:
    """Return an amount of cash in dollars."""
    return Decimal(cents).scaleb(-2)


def cents_of(dollars: Decimal) -> int | None:
    """Return a price in cents; None if it is not a whole number of cents."""
    try:
        hundreds = dollars * 100
        cents = int(hundreds)
    except (ValueError, OverflowError, InvalidOperation, TypeError):
        return None
    return cents if cents == hundreds else None
