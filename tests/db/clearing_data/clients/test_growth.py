"""Time-weighted returns: transfers do not change them."""

from __future__ import annotations

from decimal import Decimal

import hypothesis.strategies as st
from hypothesis import given

from db.clearing_data.clients.growth import Growth

MONEY = st.integers(min_value=1_000, max_value=10**9)


@given(opening=MONEY, equity=MONEY, moved=st.integers(min_value=-(10**9), max_value=10**9))
def test_51_a_transfer_does_not_change_the_return(opening: int, equity: int, moved: int) -> None:
    before = Growth(base_cents=opening)
    moved = max(moved, -equity)
    after = before.after_transfer(equity_cents=equity, value_cents=moved)
    growth, then = before.return_ppm(equity), after.return_ppm(equity + moved)
    assert growth is not None
    if equity + moved == 0 and equity == opening:
        assert then is None  # as for an account that never received anything
    else:
        assert then is not None
        assert abs(growth - then) <= 1


def test_growth_between_transfers_is_multiplied() -> None:
    growth = Growth().after_transfer(equity_cents=0, value_cents=100_00)
    growth = growth.after_transfer(equity_cents=110_00, value_cents=890_00)
    assert growth == Growth(Decimal("1.1"), 1_000_00)
    assert growth.return_ppm(1_100_00) == 210_000
    assert Growth().return_ppm(0) is None
