"""What the clearinghouse cancels and buys for a client whose margin is too small. Prices in cents."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.order_entry.rules.buy_ins import BoughtIn, BuyIns, ClientOrder, OwedShares, affordable, is_due, plan
from tasks.order_entry.rules.decisions import Limits
from tasks.shared.rules.fees import fee_hold_cents
from tasks.shared.rules.loans import requirement_cents
from tests.tasks.order_entry.rules.desks import security

S = 1_000_000
SECURITIES = {
    one.security_id: one
    for one in (
        security("MSFT"),
        security("AAPL", shard=1),
        security("CALL", phase="auction"),
        security("HALT", phase="halted"),
        security("SHUT", phase="closed"),
        security("FEES", taker_fee_ppm=10_000),
        security("DEAR", taker_fee_ppm=500_000, tick_cents=5, last_price_cents=5),
    )
}


def planned(cash_cents: int, owed: dict[str, int], *orders: ClientOrder, band: str = "0.10") -> BuyIns:
    client = BoughtIn("ANN", cash_cents, 0, None, [OwedShares(*one) for one in owed.items()], orders)
    limits = Limits(Fraction(band), 1_000_000, 100)
    return plan([client], SECURITIES, range(1, 10), limits=limits, now_us=5)


def bought(buy_ins: BuyIns) -> list[tuple[str, int, int, str]]:
    return [(one.security_id, one.quantity, one.price_cents, one.time_in_force) for _, one, _ in buy_ins.purchases]


@pytest.mark.parametrize(
    ("cash_cents", "owed", "purchases"),
    [
        (10**7, {"MSFT": 10}, [("MSFT", 10, 11_000, "ioc")]),  # up to the collar, 10 % above the last price
        (50_000, {"MSFT": 10}, [("MSFT", 4, 11_000, "ioc")]),  # as far as the cash goes
        (10_999, {"MSFT": 10}, []),
        (120_000, {"AAPL": 10, "MSFT": 10}, [("AAPL", 10, 11_000, "ioc")]),  # one after the other
        (10**7, {"CALL": 10}, [("CALL", 10, 11_000, "auction")]),
        (10**7, {"HALT": 10, "SHUT": 10}, []),  # they wait for the next auction
        (10**7, {"GONE": 10}, []),
    ],
)
def test_what_is_bought(cash_cents: int, owed: dict[str, int], purchases: list[tuple[str, int, int, str]]) -> None:
    buy_ins = planned(cash_cents, owed)
    assert bought(buy_ins) == purchases
    held = sum(quantity * price for _, quantity, price, _ in purchases)
    assert buy_ins.held_cents == ({"ANN": (held, len(purchases))} if purchases else {})
    assert buy_ins.tried == ["ANN"]


def test_all_orders_are_cancelled_but_purchases_under_way() -> None:
    mine = ClientOrder(1, "AAPL", 1, is_buy_in=False), ClientOrder(2, "MSFT", 0, is_buy_in=False)
    under_way, in_vain = ClientOrder(3, "CALL", 0, is_buy_in=True), ClientOrder(4, "MSFT", 0, is_buy_in=True)
    buy_ins = planned(10**7, {"CALL": 10}, *mine, under_way, in_vain)
    assert buy_ins.cancels == {1: [1], 0: [2, 4]}
    assert buy_ins.purchases == []


def test_the_limit_is_at_least_a_tick_whatever_the_fee() -> None:
    assert bought(planned(100, {"DEAR": 10})) == [("DEAR", 10, 5, "ioc")]


def test_a_purchase_that_missed_its_auction_does_not_wait_for_the_next_one() -> None:
    late, in_time = ClientOrder(1, "MSFT", 0, True, "auction"), ClientOrder(2, "CALL", 0, True, "auction")
    assert planned(10**7, {"MSFT": 10, "CALL": 10}, late, in_time).cancels == {0: [1]}


def test_with_fees_the_default_fund_can_always_pay_for_a_share() -> None:
    """It pays up to 125 % of the last price, whatever the band of market orders is."""
    paid = requirement_cents(10_000)
    (purchase,) = planned(paid, {"FEES": 1}, band="0.50").purchases
    assert purchase[1].price_cents + fee_hold_cents(purchase[1].price_cents, purchase[2]) <= paid


@pytest.mark.parametrize(
    ("since_s", "tried_s", "is_it"),
    [
        (0, None, True),  # the first attempt
        (0, 7.1, False),  # after 8 s it waits for 1 s
        (0, 7, True),
        (7, 7.9, False),
        (7, 7.8, True),
        (-100, 4.1, False),
        (-100, 4, True),
    ],
)
def test_the_longer_it_lasts_the_longer_it_waits(since_s: float, tried_s: float | None, is_it: bool) -> None:
    """At second 8: an eighth of the time so far, at most four seconds."""
    tried_us = None if tried_s is None else round(tried_s * S)
    assert is_due(BoughtIn("ANN", 0, round(since_s * S), tried_us), 8 * S) is is_it


@given(st.integers(1, 10**6), st.integers(0, 10**9), st.integers(1, 10**6), st.integers(0, 100_000))
def test_as_many_shares_as_the_cash_pays_for(shares: int, cash: int, limit: int, rate_ppm: int) -> None:
    def cost(quantity: int) -> int:
        return quantity * limit + fee_hold_cents(quantity * limit, rate_ppm)

    quantity = affordable(shares, cash, limit, rate_ppm)
    assert 0 <= quantity <= shares
    assert not quantity or cost(quantity) <= cash
    assert quantity == shares or cost(quantity + 1) > cash
