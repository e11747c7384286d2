"""The market maker quotes inside a wide spread, keeps ten quotes, and knows which are still open."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bots.contract import LimitOrder, OrderState
from bots.strategies import MarketMaker
from tests.bots.harness import Harness


@pytest.mark.parametrize(
    ("bid", "ask", "quotes"),
    [
        ("99.00", "101.00", ("99.20", "100.80")),
        ("99.83", "100.49", ("99.90", "100.42")),  # 10 % of 0.66 is on no tick: the nearest
        ("100.00", "100.11", ("100.01", "100.10")),
        ("100.00", "100.10", None),  # not above 0.10
        ("100.00", "100.01", None),
        (None, "100.00", None),
        ("100.00", None, None),
    ],
)
def test_quotes_a_tenth_of_the_spread_inside(bid: str | None, ask: str | None, quotes: tuple[str, str] | None) -> None:
    harness = Harness(MarketMaker())

    harness.price(bid, ask)

    if quotes is None:
        assert harness.orders == []
        return
    buy, sell = harness.orders
    assert buy == LimitOrder(security_id="MSFT", side="buy", quantity=2, price=Decimal(quotes[0]))
    assert sell == LimitOrder(security_id="MSFT", side="sell", quantity=2, price=Decimal(quotes[1]))


def test_the_sixth_pair_replaces_the_oldest_two() -> None:
    harness = Harness(MarketMaker())
    for _ in range(5):
        harness.price("99.00", "101.00")
    assert harness.venue.cancelled == []

    harness.price("99.00", "101.00")
    assert harness.venue.cancelled == [1, 2]

    harness.price("99.00", "101.00")
    assert harness.venue.cancelled == [1, 2, 3, 4]
    assert len(harness.orders) - len(harness.venue.cancelled) == 10


def test_filled_and_refused_quotes_make_room() -> None:
    harness = Harness(MarketMaker())
    for _ in range(5):
        harness.price("99.00", "101.00")

    harness.fill(3, 1, "99.20")
    harness.deny(4, "insufficient_holdings")
    harness.price("99.00", "101.00")
    assert harness.venue.cancelled == [1]  # one share of quote 3 is still open, quote 4 never was

    harness.fill(3, 1, "99.20")
    harness.price("99.00", "101.00")
    assert harness.venue.cancelled == [1, 2]


def test_a_settlement_is_not_counted_as_another_fill() -> None:
    harness = Harness(MarketMaker(most=2))
    harness.price("99.00", "101.00")

    harness.report("settlement", 1, quantity=2, price="99.20")
    harness.price("99.00", "101.00")

    assert harness.venue.cancelled == [1, 2]


def test_each_security_has_quotes_of_its_own() -> None:
    harness = Harness(MarketMaker(most=2), securities=["MSFT", "AAPL"], holdings={"MSFT": 2, "AAPL": 2})
    harness.price("99.00", "101.00")
    harness.price("49.00", "51.00", security_id="AAPL")
    assert harness.venue.cancelled == []
    assert [order.security_id for order in harness.orders] == ["MSFT", "MSFT", "AAPL", "AAPL"]


def test_quotes_of_an_earlier_run_count_and_are_replaced_first() -> None:
    earlier = [
        OrderState(
            order_id=order_id,
            client_id="MARKET_MAKER",
            security_id="MSFT",
            type="limit",
            side="buy",
            quantity=2,
            filled_quantity=0,
            status="new",
        )
        for order_id in (-1, -2, -3)  # newest first
    ]
    harness = Harness(MarketMaker(most=4), open_orders=earlier)

    harness.price("99.00", "101.00")

    assert harness.venue.cancelled == [-3]


def test_keeps_at_least_a_pair() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        MarketMaker(most=1)
