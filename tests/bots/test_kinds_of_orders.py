"""A strategy can send every kind of order with its terms, and no term that its kind does not have."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bots.contract import LimitOrder, MarketOrder, StopLimitOrder, StopOrder
from bots.strategy import Strategy
from tests.bots.harness import Harness


@pytest.fixture
def harness() -> Harness:
    return Harness(Strategy())


def test_orders_without_a_limit_have_their_own_terms(harness: Harness) -> None:
    harness.strategy.buy(5, time_in_force="auction")
    harness.strategy.sell(5, stop_price=95, time_in_force="day")
    harness.strategy.sell(5, stop_price=95, time_in_force="gtd", expires_at="2030-01-01T00:00:00Z")
    common = {"security_id": "MSFT", "quantity": 5}
    stop = {**common, "side": "sell", "stop_price": Decimal(95)}
    assert harness.orders == [
        MarketOrder(**common, side="buy", time_in_force="auction"),  # type: ignore[arg-type]
        StopOrder(**stop, time_in_force="day"),  # type: ignore[arg-type]
        StopOrder(**stop, time_in_force="gtd", expires_at="2030-01-01T00:00:00Z"),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize(
    "terms",
    [
        {"post_only": True},
        {"display_quantity": 1},
        {"expires_at": "2030-01-01T00:00:00Z"},
        {"stop_price": 95, "post_only": True},
        {"stop_price": 95, "price": 94, "display_quantity": 1},
    ],
)
def test_a_term_that_the_kind_of_order_does_not_have_is_an_error(harness: Harness, terms: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Unexpected keyword argument"):
        harness.strategy.buy(5, **terms)
    assert harness.orders == []


def test_every_kind_of_order_can_be_sent(harness: Harness) -> None:
    harness.strategy.sell(5, stop_price=95)
    harness.strategy.sell(5, 94, stop_price=95)
    harness.strategy.buy(100, 90, display_quantity=10, post_only=True)
    harness.strategy.buy(1, 90.004, time_in_force="ioc")
    stop, stop_limit, iceberg, ioc = harness.orders
    assert stop == StopOrder(security_id="MSFT", side="sell", quantity=5, stop_price=Decimal(95))
    assert stop_limit == StopLimitOrder(
        security_id="MSFT", side="sell", quantity=5, stop_price=Decimal(95), price=Decimal(94)
    )
    assert isinstance(iceberg, LimitOrder)
    assert (iceberg.display_quantity, iceberg.post_only) == (10, True)
    assert isinstance(ioc, LimitOrder)
    assert (ioc.time_in_force, ioc.price) == ("ioc", Decimal("90.00"))
