"""The stages in one process: random requests of every kind, and the invariants after them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction

import pytest

from bots.simulated.configuration import Listing
from bots.simulated.conservation import require_conserved
from bots.simulated.exchange import Exchange
from tasks.messages import (
    CancelRequest,
    Execution,
    HaltRequest,
    MassCancelRequest,
    OrderRequest,
    ReplaceRequest,
    Request,
)
from tasks.order_entry.rules.decisions import Admitted, Denied, Limits

LIMITS = Limits(market_order_band=Fraction(1, 10), max_order_quantity=1_000, max_open_orders=20)
CLIENTS = ("ANN", "BOB", "CID")
SECURITIES = ("MSFT", "AAPL")


def exchange() -> Exchange:
    """MSFT is free of fees; a trade of AAPL costs the taker 0.25 %, and the maker gets 0.1 %."""
    made = Exchange(
        [Listing(security_id="MSFT"), Listing(security_id="AAPL", maker_fee_ppm=-1_000, taker_fee_ppm=2_500)], LIMITS
    )
    for client_id in CLIENTS:
        made.accounts.open(client_id, 2_000_000, {"MSFT": 100, "AAPL": 50})
    return made


def order(number: int, client_id: str, side: str, quantity: int, price_cents: int | None, **terms) -> OrderRequest:
    fields = {
        "client_order_id": None,
        "security_id": "MSFT",
        "type": "limit" if price_cents else "market",
        "time_in_force": "gtc",
        "post_only": False,
        "received_us": 1,
    } | terms
    return OrderRequest(
        order_id=number, client_id=client_id, side=side, quantity=quantity, price_cents=price_cents, **fields
    )


def requests(seed: int, count: int) -> Iterator[Request]:
    """Orders of every kind around 100.00, some too large to be paid for, cancels, replacements, halts."""
    chance, placed = random.Random(seed), []
    for number in range(1, count + 1):
        security_id, client_id = chance.choice(SECURITIES), chance.choice(CLIENTS)
        earlier = chance.choice(placed) if placed else None
        kind = chance.randrange(20)
        if kind < 3 and earlier:
            yield CancelRequest(number, earlier.client_id, earlier.security_id, earlier.order_id, number)
        elif kind < 6 and earlier:
            quantity, price_cents = chance.choice([(None, 10_020), (chance.randint(1, 60), None), (30, 9_990)])
            yield ReplaceRequest(
                number, earlier.client_id, earlier.security_id, earlier.order_id, quantity, price_cents, number
            )
        elif kind == 6:
            yield MassCancelRequest(number, client_id, 0, chance.choice([None, security_id]), None, number)
        elif kind == 7:
            yield HaltRequest(number, security_id, chance.random() < 0.3, number)
        else:
            stop_cents = chance.randint(9_980, 10_020)
            terms = chance.choice(
                [
                    {},
                    {},
                    {},
                    {"time_in_force": "ioc"},
                    {"time_in_force": "fok"},
                    {"post_only": True},
                    {"display_quantity": 1},
                    {"type": "stop_limit", "stop_price_cents": stop_cents},
                    {"type": "stop", "stop_price_cents": stop_cents},
                    {"type": "market"},
                ]
            )
            price_cents = None if terms.get("type") in ("stop", "market") else chance.randint(9_970, 10_030)
            quantity = 900 if chance.random() < 0.03 else chance.randint(2, 40)
            placed.append(
                order(
                    number,
                    client_id,
                    chance.choice(["buy", "sell"]),
                    quantity,
                    price_cents,
                    **terms | {"security_id": security_id},
                )
            )
            yield placed[-1]


def denial(exchange: Exchange, request: Request) -> str | None:
    """Return the reason of a denial; match and settle an admitted request."""
    decision = exchange.admit(request, 1)
    if isinstance(decision, Denied):
        return decision.reason
    trades, at_once = exchange.split(exchange.execute(decision.command))
    exchange.settle([*trades, *at_once])
    return None


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("late", [False, True])
def test_cash_and_shares_are_conserved_under_random_requests_and_late_settlement(seed: int, late: bool) -> None:
    ours, chance = exchange(), random.Random(seed)
    unsettled: list[Execution] = []
    trades_made = denied = 0
    for number, request in enumerate(requests(seed, 600), 1):
        decision = ours.admit(request, number)
        if isinstance(decision, Denied):
            denied += 1
            continue
        assert isinstance(decision, Admitted)
        trades, at_once = ours.split(ours.execute(decision.command))
        trades_made += len(trades)
        unsettled += trades
        ours.settle(at_once)
        if not late or chance.random() < 0.05:
            ours.settle(unsettled)
            unsettled = []
        if not unsettled and number % 20 == 0:
            require_conserved(ours)
    ours.settle(unsettled)
    require_conserved(ours)
    assert trades_made > 50
    assert denied > 20
    assert ours.accounts.fees_cents > 0


def test_an_unaffordable_order_is_denied_and_a_cancel_frees_its_hold() -> None:
    ours = exchange()
    assert denial(ours, order(1, "ANN", "buy", 200, 10_000)) is None
    assert denial(ours, order(2, "ANN", "buy", 1, 10_000)) == "insufficient_funds"
    assert denial(ours, CancelRequest(3, "ANN", "MSFT", 1, 1)) is None
    assert denial(ours, order(4, "ANN", "buy", 200, 10_000)) is None
    assert denial(ours, order(5, "BOB", "sell", 101, 10_100)) == "insufficient_holdings"


def test_a_cancel_of_a_filled_or_foreign_order_is_denied() -> None:
    ours = exchange()
    assert denial(ours, order(1, "ANN", "buy", 10, 10_000)) is None
    assert denial(ours, CancelRequest(2, "BOB", "MSFT", 1, 1)) == "unknown_order"
    assert denial(ours, order(3, "BOB", "sell", 10, 10_000)) is None
    assert denial(ours, CancelRequest(4, "ANN", "MSFT", 1, 1)) == "unknown_order"
    assert denial(ours, ReplaceRequest(5, "ANN", "MSFT", 1, 20, None, 1)) == "unknown_order"
    assert ours.accounts.owned["ANN", "MSFT"] == 110
    assert ours.accounts.balances["BOB"] == 2_100_000


def test_a_market_order_may_cost_a_tenth_more_than_the_last_price() -> None:
    ours = exchange()
    assert denial(ours, order(1, "ANN", "sell", 10, 12_000)) is None
    assert denial(ours, order(2, "BOB", "buy", 10, 12_000)) is None  # the last price is 120.00 now
    assert denial(ours, order(3, "BOB", "sell", 50, 13_300)) is None
    assert denial(ours, order(4, "BOB", "sell", 5, 13_200)) is None
    assert denial(ours, order(5, "CID", "buy", 20, None)) is None
    assert ours.accounts.owned["CID", "MSFT"] == 105  # what is offered at 132.00, and nothing at 133.00


def test_a_replacement_reserves_what_it_may_need() -> None:
    ours = exchange()
    assert denial(ours, order(1, "ANN", "buy", 100, 10_000)) is None
    assert denial(ours, ReplaceRequest(2, "ANN", "MSFT", 1, 201, None, 1)) == "insufficient_funds"
    assert denial(ours, ReplaceRequest(3, "ANN", "MSFT", 1, 200, None, 1)) is None
    assert ours.accounts.funds["ANN"].available_cents == 0
    assert denial(ours, ReplaceRequest(4, "ANN", "MSFT", 1, 10, 5_000, 1)) is None
    assert ours.accounts.funds["ANN"].available_cents == 1_950_000
    require_conserved(ours)


def test_41_a_cancel_of_an_unknown_order_is_denied_and_kills_no_later_order() -> None:
    made = exchange()
    for number in (1, 40):
        denied = made.admit(CancelRequest(90 + number, "ANN", "MSFT", number, 2), 2)
        assert isinstance(denied, Denied)
        assert denied.reason == "unknown_order"
        placed = made.admit(order(number, "ANN", "buy", 1, 9_000, received_us=3), 3)
        assert isinstance(placed, Admitted)
        assert made.execute(placed.command) == []
    # Whatever times the requests have: they are handled in the order in which they were sent.
    swept = made.admit(MassCancelRequest(99, "ANN", 0, None, None, 9), 9)
    assert isinstance(swept, Admitted)
    made.settle(made.execute(swept.command))
    assert isinstance(made.admit(order(41, "ANN", "buy", 1, 9_000, received_us=8), 9), Admitted)


def test_42_and_48_replacements_and_fees_are_as_on_the_live_exchange() -> None:
    """100 AAPL at 0.01, where a trade costs at most 0.25 %, hold 1.01; partly filled, what is open of them."""
    made = exchange()

    def held() -> int:
        return 2_000_000 - made.accounts.funds["ANN"].available_cents

    iceberg = order(1, "ANN", "buy", 100, 1, security_id="AAPL", display_quantity=1)
    made.execute(made.admit(iceberg, 1).command)
    assert held() == 101
    assert made.admit(ReplaceRequest(2, "ANN", "AAPL", 1, 101, None, 1), 1).reason == "display_quantity_too_small"
    made.settle(made.execute(made.admit(order(3, "BOB", "sell", 40, 1, security_id="AAPL"), 2).command))
    assert made.accounts.funds["ANN"].available_cents == 2_000_000 - 40 - 61
    made.settle(made.execute(made.admit(ReplaceRequest(4, "ANN", "AAPL", 1, 90, 2, 3), 3).command))
    assert made.accounts.funds["ANN"].available_cents == 2_000_000 - 40 - (50 * 2 + 1)
    made.settle(made.execute(made.admit(CancelRequest(5, "ANN", "AAPL", 1, 4), 4).command))
    assert made.accounts.funds["ANN"].available_cents == 2_000_000 - 40
    require_conserved(made)
