"""The invariants of fees: a hold covers any fills of an order, and no trade costs the exchange money."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.shared.rules.fees import fee_cents, fee_hold_cents, highest_fee_ppm

RATES = st.integers(-2_000, 20_000)


@pytest.mark.parametrize(
    ("cash_cents", "rate_ppm", "fee"),
    [
        (100_000, 0, 0),
        (100_000, 100, 10),  # one basis point of $1,000 is 10 cents
        (100_000, -100, -10),
        (9_999, 100, 0),
        (19_999, 100, 1),
        (19_999, -100, -1),
    ],
)
def test_a_fee_is_rounded_towards_zero(cash_cents: int, rate_ppm: int, fee: int) -> None:
    assert fee_cents(cash_cents, rate_ppm) == fee


@pytest.mark.parametrize(
    ("cash_cents", "rate_ppm", "hold"), [(10_000, 0, 0), (10_000, 100, 1), (10_001, 100, 2), (100, 300, 1), (0, 300, 0)]
)
def test_48_the_fee_on_the_total_is_held_rounded_up_once(cash_cents: int, rate_ppm: int, hold: int) -> None:
    assert fee_hold_cents(cash_cents, rate_ppm) == hold


@given(
    limit=st.integers(1, 10**6),
    fills=st.lists(st.tuples(st.integers(1, 1_000), st.integers(0, 10**6), st.booleans()), min_size=1, max_size=20),
    maker=RATES,
    taker=RATES,
)
def test_each_fill_releases_enough_for_itself(
    limit: int, fills: list[tuple[int, int, bool]], maker: int, taker: int
) -> None:
    highest = highest_fee_ppm(maker_fee_ppm=maker, taker_fee_ppm=taker)
    rest = sum(quantity for quantity, _, _ in fills)
    for quantity, better_by, rested in fills:
        released = fee_hold_cents(rest * limit, highest) - fee_hold_cents((rest - quantity) * limit, highest)
        cash = quantity * max(1, limit - better_by)
        assert fee_cents(cash, maker if rested else taker) <= released
        rest -= quantity


@given(cash=st.integers(1, 10**14), taker=st.integers(0, 20_000), rebate=st.integers(0, 20_000))
def test_a_rebate_never_costs_more_than_the_fee_brings(cash: int, taker: int, rebate: int) -> None:
    assert fee_cents(cash, taker) + fee_cents(cash, -min(rebate, taker)) >= 0
