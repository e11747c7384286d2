"""The market maker quotes inside a wide spread, keeps ten quotes, and knows which are still open."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pytest

from bots.contract import LimitOrder, OrderState, Price, Report
from bots.strategies import MarketMaker
from tests.bots.desk import RecordingDesk, seat


def price(bid: str | None, ask: str | None) -> Price:
    return Price(security_id="MSFT", bid=Decimal(bid) if bid else None, ask=Decimal(ask) if ask else None)


def report(
    order_id: int, *, quantity: int = 2, event_type: Literal["order", "trade"] = "trade", denied: bool = False
) -> Report:
    return Report(
        event_type=event_type,
        status="denied" if denied else "confirmed",
        order_id=order_id,
        client_id="MARKET_MAKER",
        security_id="MSFT",
        quantity=quantity,
    )


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
    maker = MarketMaker()
    desk = seat(maker)

    maker.on_price(price(bid, ask))

    if quotes is None:
        assert desk.orders == []
        return
    buy, sell = desk.orders
    assert buy == LimitOrder(security_id="MSFT", side="buy", quantity=2, price=Decimal(quotes[0]))
    assert sell == LimitOrder(security_id="MSFT", side="sell", quantity=2, price=Decimal(quotes[1]))


def test_the_sixth_pair_replaces_the_oldest_two() -> None:
    maker = MarketMaker()
    desk = seat(maker)
    for _ in range(5):
        maker.on_price(price("99.00", "101.00"))
    assert desk.cancelled == []

    maker.on_price(price("99.00", "101.00"))
    assert desk.cancelled == [1, 2]

    maker.on_price(price("99.00", "101.00"))
    assert desk.cancelled == [1, 2, 3, 4]
    assert len(desk.orders) - len(desk.cancelled) == 10


def test_filled_and_refused_quotes_make_room() -> None:
    maker = MarketMaker()
    desk = seat(maker)
    for _ in range(5):
        maker.on_price(price("99.00", "101.00"))

    maker.on_report(report(3, quantity=1))
    maker.on_report(report(4, event_type="order", denied=True))
    maker.on_price(price("99.00", "101.00"))
    assert desk.cancelled == [1]  # one share of quote 3 is still open, quote 4 never was

    maker.on_report(report(3, quantity=1))
    maker.on_price(price("99.00", "101.00"))
    assert desk.cancelled == [1, 2]


def test_a_settlement_is_not_counted_as_another_fill() -> None:
    maker = MarketMaker(most=2)
    desk = seat(maker)
    maker.on_price(price("99.00", "101.00"))
    settled = Report(
        event_type="settlement", status="confirmed", order_id=1, client_id="M", security_id="MSFT", quantity=2
    )

    maker.on_report(settled)
    maker.on_price(price("99.00", "101.00"))

    assert desk.cancelled == [1, 2]


def test_quotes_of_an_earlier_life_count_and_go_first() -> None:
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
    maker = MarketMaker(most=4)
    desk = seat(maker, desk=RecordingDesk(open_orders=earlier))

    maker.on_price(price("99.00", "101.00"))

    assert desk.cancelled == [-3]


def test_keeps_at_least_a_pair() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        MarketMaker(most=1)
