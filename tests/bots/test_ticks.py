"""A price is rounded to the tick as decimal arithmetic rounds it."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from random import Random
from typing import Any

import pytest

from bots.contract import Security


def listed(tick: str) -> Security:
    return Security(security_id="MSFT", tick=Decimal(tick), min_price=Decimal(tick), max_price=Decimal(tick) * 10**6)


def rounded(security: Security, price: Any) -> Decimal:
    ticks = (Decimal(price) / security.tick).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    return min(max(ticks * security.tick, security.min_price), security.max_price)


@pytest.mark.parametrize("tick", ["0.01", "0.05", "0.03", "0.25", "1"])
def test_any_number_is_rounded_as_in_decimal_arithmetic(tick: str) -> None:
    security, chance = listed(tick), Random(tick)
    for _ in range(2_000):
        halves = chance.randrange(60_000)
        for price in (
            chance.uniform(-1, 300),
            halves / 200,
            Decimal(halves) / 200,
            Decimal(halves) / 7,
            halves,
            "9.875",
        ):
            nearest = security.nearest(price)  # type: ignore[arg-type]
            assert (nearest, str(nearest)) == (expected := rounded(security, price), str(expected))


@pytest.mark.parametrize("price", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity"), "dear", None])
def test_what_is_no_number_raises(price: Any) -> None:
    with pytest.raises((ArithmeticError, ValueError, TypeError)):
        listed("0.01").nearest(price)
