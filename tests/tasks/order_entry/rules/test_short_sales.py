"""What a sale of borrowed shares holds, and what a client that owes shares may still buy. Prices in cents."""

from __future__ import annotations

import pytest

from tasks.messages import PlaceOrder
from tasks.order_entry.rules.decide import Admitted, decide
from tasks.order_entry.rules.decisions import Limits
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.risk import Debt, Funds, Lendable, Shares
from tasks.shared.rules.loans import requirement_cents
from tests.tasks.order_entry.rules.desks import LIMITS, desk, order, replace

SHORT_LIMIT = 50


def seller(available_cents: int = 100_000, *, shares: int = 0, lendable: int = 1_000) -> Desk:
    """BOB may owe 50 MSFT, whose last price is 100.00; the band of market orders is 10 %."""
    limits = Limits(**LIMITS | {"short_limit": SHORT_LIMIT})
    return desk(
        funds={"BOB": Funds(available_cents, open_orders=0, limits=limits)},
        shares={("BOB", "MSFT"): Shares(shares)},
        lendable={"MSFT": Lendable(lendable)},
    )


@pytest.mark.parametrize(
    ("sale", "held_cents", "borrows"),
    [
        ({"quantity": 10, "price_cents": 10_000}, 50_000, 10),  # half of 10 x 100.00
        ({"quantity": 10, "price_cents": 12_001}, 60_005, 10),
        ({"quantity": 3, "price_cents": 10_001}, 15_002, 3),  # rounded up to a cent
        ({"quantity": 10, "price_cents": 9_000}, 45_000, 10),
        ({"quantity": 10, "price_cents": 1}, 45_000, 10),  # as much as a market order
        ({"quantity": 10, "type": "market", "price_cents": None}, 45_000, 10),
        ({"quantity": 10, "type": "stop", "price_cents": None, "stop_price_cents": 8_000}, 36_000, 10),
        ({"quantity": 10, "type": "stop_limit", "price_cents": 7_900, "stop_price_cents": 8_000}, 39_500, 10),
        ({"quantity": 10, "type": "stop_limit", "price_cents": 1, "stop_price_cents": 8_000}, 36_000, 10),
    ],
)
def test_what_a_short_sale_holds(sale: dict[str, object], held_cents: int, borrows: int) -> None:
    entry = seller()
    assert isinstance(decide(entry, order(client_id="BOB", side="sell", **sale)), Admitted)
    assert entry.funds["BOB"].newly_held_cents == held_cents
    assert entry.lendable["MSFT"].newly_located == entry.shares["BOB", "MSFT"].newly_located == borrows


@pytest.mark.parametrize(
    ("entry", "quantity", "reason"),
    [
        (seller(), 51, "short_limit"),
        (seller(shares=5), 56, "short_limit"),
        (seller(lendable=9), 10, "nothing_to_borrow"),
        (seller(49_999), 10, "insufficient_margin"),
        (seller(-1), 1, "insufficient_margin"),
    ],
)
def test_why_a_short_sale_is_denied(entry: Desk, quantity: int, reason: str) -> None:
    decided = decide(entry, order(client_id="BOB", side="sell", quantity=quantity))
    assert getattr(decided, "reason", None) == reason
    assert (entry.funds["BOB"].newly_held_cents, entry.lendable["MSFT"].newly_located) == (0, 0)


@pytest.mark.parametrize("shares", [0, 10])
@pytest.mark.parametrize("terms", [{"quantity": 20}, {"quantity": 20, "price_cents": 9_000}])
def test_no_replacement_lowers_the_margin_of_a_sale_far_below_the_market(shares: int, terms: dict[str, int]) -> None:
    """Also if the engine may refuse the better limit: then the order keeps the old one, and would hold half of that."""
    entry = seller(shares=shares)
    assert isinstance(decide(entry, order(7, client_id="BOB", side="sell", quantity=10, price_cents=1)), Admitted)
    held_cents = entry.funds["BOB"].newly_held_cents
    assert getattr(decide(entry, replace(7, client_id="BOB", **terms)), "reason", None) == "insufficient_margin"
    assert entry.funds["BOB"].newly_held_cents == held_cents == (0 if shares else 45_000)


def test_a_replacement_in_the_same_batch_holds_margin_by_its_limit() -> None:
    entry = seller()
    assert isinstance(decide(entry, order(7, client_id="BOB", side="sell", quantity=10, price_cents=9_500)), Admitted)
    assert getattr(decide(entry, replace(7, client_id="BOB", price_cents=8_999)), "reason", None) == (
        "insufficient_margin"
    )
    assert isinstance(decide(entry, replace(7, client_id="BOB", quantity=18, price_cents=9_000)), Admitted)
    assert entry.funds["BOB"].newly_held_cents == 18 * 9_500 // 2


def test_a_waiting_order_below_the_market_can_be_replaced() -> None:
    entry = seller()
    stop = {"type": "stop_limit", "stop_price_cents": 8_000, "price_cents": 7_900}
    assert isinstance(decide(entry, order(7, client_id="BOB", side="sell", quantity=10, **stop)), Admitted)
    for terms in ({"quantity": 20}, {"price_cents": 8_000}):
        assert isinstance(decide(entry, replace(7, client_id="BOB", **terms)), Admitted)
    assert entry.funds["BOB"].newly_held_cents == 80_000
    decided = decide(entry, replace(7, client_id="BOB", price_cents=7_899))
    assert getattr(decided, "reason", None) == "insufficient_margin"


def debtor(cash_cents: int, *debts: tuple[str, int, int, int]) -> Desk:
    """BOB owes shares: (security, shares, price when sold, last price); none of the cash is held."""
    owed = {("BOB", name): Debt(shares, shares * sold, 0, last) for name, shares, sold, last in debts}
    collateral = sum(debt.sold_cents * 3 // 2 for debt in owed.values())
    funds = Funds(cash_cents - collateral, open_orders=0, collateral_cents=collateral)
    funds.require(requirement_cents(sum(debt.value_cents for debt in owed.values())))
    return desk(funds={"BOB": funds}, debts=owed)


# BOB owes 10 MSFT, sold at 100.00: the collateral is 1,500.00.
@pytest.mark.parametrize(
    ("cash", "last", "other", "cover"),
    [
        (150_000, 10_000, 0, 150_000),  # all cash is collateral, and it pays for what is owed
        (160_000, 10_000, 10_000, 160_000),
        (250_000, 18_000, 25_000, 250_000),  # 125 % of 1,800.00 are kept back
        (225_000, 18_000, 0, 225_000),
        (150_000, 5_000, 0, 150_000),  # after a fall the collateral stays what it is
    ],
)
def test_what_a_debtor_may_spend(cash: int, last: int, other: int, cover: int) -> None:
    """`other` on anything, `cover` on the purchase of all the shares that it owes."""
    for most, terms in ((other, {"security_id": "AAPL"}), (cover, {"quantity": 10})):
        for price_cents, is_admitted in ((most, True), (most + 1, False)):
            quantity = terms.get("quantity", 1)
            entry = debtor(cash, ("MSFT", 10, 10_000, last))
            price = price_cents // quantity if is_admitted else -(-price_cents // quantity)
            if not price:
                continue
            decided = decide(entry, order(client_id="BOB", **{"price_cents": price, **terms}))
            assert (isinstance(decided, Admitted) and isinstance(decided.command, PlaceOrder)) is is_admitted, terms


@pytest.mark.parametrize(
    ("quantity", "price_cents", "is_admitted"),
    [(5, 15_000, True), (5, 15_001, False), (10, 15_000, True), (10, 15_001, False), (11, 1, False)],
)
def test_a_purchase_takes_only_the_part_of_the_shares_that_it_returns(
    quantity: int, price_cents: int, is_admitted: bool
) -> None:
    entry = debtor(150_000, ("MSFT", 10, 10_000, 10_000))
    decided = decide(entry, order(client_id="BOB", quantity=quantity, price_cents=price_cents))
    assert isinstance(decided, Admitted) is is_admitted


def test_one_security_does_not_pay_for_another() -> None:
    """10 MSFT have fallen to 50.00, 10 AAPL have risen to 150.00: together they still require 2,500.00 of 3,000.00."""
    debts = ("MSFT", 10, 10_000, 5_000), ("AAPL", 10, 10_000, 15_000)
    bought = {name: order(client_id="BOB", security_id=name, quantity=10, price_cents=15_000) for name, *_ in debts}
    # To pay 1,500.00 for the MSFT would leave 1,500.00, and the AAPL require 1,875.00.
    assert getattr(decide(debtor(300_000, *debts), bought["MSFT"]), "reason", None) == "insufficient_funds"
    assert isinstance(decide(debtor(300_000, *debts), bought["AAPL"]), Admitted)
