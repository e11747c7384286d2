"""What a bot has, as it reckons from its own orders and trades; also when it owes shares."""

from __future__ import annotations

from decimal import Decimal

from bots.portfolio import Portfolio
from bots.working_order import WorkingOrder


def sell(quantity: int, price: int) -> WorkingOrder:
    return WorkingOrder(
        order_id=1,
        security_id="TSLA",
        side="sell",
        quantity=quantity,
        price=Decimal(price),
        hold_price=Decimal(price),
        status="new",
    )


def test_a_bot_that_sells_short_knows_what_it_owes_and_what_is_left_to_spend() -> None:
    portfolio = Portfolio(Decimal(10_000), {"TSLA": 4})
    order = sell(10, 100)
    portfolio.hold(order)
    assert (portfolio.available("TSLA"), portfolio.borrowed("TSLA"), portfolio.cash) == (0, 0, 10_000 - 300)
    portfolio.release(order)
    portfolio.book_trade("TSLA", "sell", 10, Decimal(100))
    assert (portfolio.shares["TSLA"], portfolio.borrowed("TSLA")) == (-6, 6)
    assert (portfolio.balance, portfolio.cash) == (11_000, 11_000 - 900)
    portfolio.book_trade("TSLA", "sell", 2, Decimal(110))
    assert portfolio.cash == 11_220 - 900 - 330
    # The shares that were sold first are returned first.
    portfolio.book_trade("TSLA", "buy", 6, Decimal(90))
    assert (portfolio.borrowed("TSLA"), portfolio.cash) == (2, 11_220 - 540 - 330)
    portfolio.book_trade("TSLA", "buy", 3, Decimal(90))
    assert (portfolio.available("TSLA"), portfolio.borrowed("TSLA"), portfolio.cash) == (1, 0, 11_220 - 810)
