"""Cents inside, dollars at the edge: the two forms of a price, each made once."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation


class _Dollars(dict[int, Decimal]):
    """Prices come back again and again, and a look into a dictionary is a tenth of the making of a decimal."""

    def __missing__(self, cents: int) -> Decimal:
        dollars = self[cents] = Decimal(cents).scaleb(-2)
        return dollars


_dollars = _Dollars()


def price_of(cents: int) -> Decimal:
    """A price in dollars [dollars a share]."""
    return _dollars[cents]


def cash_of(cents: int) -> Decimal:
    """An amount of cash in dollars."""
    return Decimal(cents).scaleb(-2)


def cents_of(dollars: Decimal) -> int | None:
    """A price in cents; None of what is no number of cents."""
    try:
        hundreds = dollars * 100
        cents = int(hundreds)
    except (ValueError, OverflowError, InvalidOperation, TypeError):
        return None
    return cents if cents == hundreds else None
