"""The collar of market orders: on the grid, within the band, rounded towards the reference."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.order_entry.rules.collar import collar_price

TEN_PERCENT = Fraction("0.10")


@pytest.mark.parametrize(
    ("reference_cents", "side", "tick_cents", "collar_cents"),
    [
        (10_000, "buy", 1, 11_000),
        (10_000, "sell", 1, 9_000),
        (9_999, "buy", 1, 10_998),  # 10,998.9 down
        (9_999, "sell", 1, 9_000),  # 8,999.1 up
        (10_000, "buy", 300, 10_800),
        (10_000, "sell", 7, 9_002),
        (1, "buy", 1, 1),
        (1, "sell", 1, 1),
        (950_000, "buy", 1, 1_000_000),  # 1,045,000, above what the security may be ordered at
        (950_000, "buy", 300, 999_900),
    ],
)
def test_collar(reference_cents: int, side: str, tick_cents: int, collar_cents: int) -> None:
    collar = collar_price(
        reference_cents, side, band=TEN_PERCENT, tick_cents=tick_cents, min_price_cents=1, max_price_cents=1_000_000
    )
    assert collar == collar_cents


def test_the_lowest_price_bounds_a_sale() -> None:
    collar = collar_price(100, "sell", band=TEN_PERCENT, tick_cents=10, min_price_cents=95, max_price_cents=1_000_000)
    assert collar == 100


@pytest.mark.parametrize("reference_cents", [0, -1])
def test_there_is_no_collar_without_a_reference(reference_cents: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        collar_price(reference_cents, "buy", band=TEN_PERCENT, tick_cents=1, min_price_cents=1, max_price_cents=10)


@given(
    reference=st.integers(1, 10**9),
    band=st.fractions(min_value=Fraction(1, 1_000), max_value=Fraction(999, 1_000), max_denominator=1_000),
    tick=st.sampled_from([1, 5, 25, 100]),
    ticks=st.integers(1, 10**7),
)
def test_a_collar_is_the_last_price_of_the_grid_within_the_band(
    reference: int, band: Fraction, tick: int, ticks: int
) -> None:
    reference = min(reference, ticks * tick)
    bounds = {"band": band, "tick_cents": tick, "min_price_cents": tick, "max_price_cents": ticks * tick}
    buy, sell = collar_price(reference, "buy", **bounds), collar_price(reference, "sell", **bounds)
    assert buy % tick == sell % tick == 0
    assert buy <= reference * (1 + band) < buy + tick or buy == ticks * tick
    assert sell - tick < reference * (1 - band) <= sell or sell == tick
