"""What a denied request lacks: both figures, in cents or shares."""

from __future__ import annotations

import pytest

from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.decisions import Denied, Limits
from tasks.order_entry.rules.risk import Funds, Lendable, Shares
from tests.tasks.order_entry.rules.desks import LIMITS, desk, order, replace

MARKET = {"type": "market", "price_cents": None}
SHORT = {"side": "sell", "client_id": "BEAR"}


def bear(*, cents: int = 100_000, lendable: int = 1_000) -> dict[str, object]:
    """The desk of a batch of BEAR, a client that may owe 50 shares, owes 5, and has none of its own."""
    limits = Limits(**LIMITS, short_limit=50)
    return {
        "funds": {"BEAR": Funds(cents, open_orders=0, limits=limits)},
        "shares": {("BEAR", "MSFT"): Shares(0, borrowed=5, located=10)},
        "lendable": {"MSFT": Lendable(lendable)},
    }


@pytest.mark.parametrize(
    ("terms", "reason", "needed", "available"),
    [
        ({"quantity": 11}, "insufficient_funds", 110_000, 100_000),
        (MARKET | {"quantity": 10}, "insufficient_funds", 110_000, 100_000),  # at its collar
        ({"security_id": "FEES", "quantity": 10}, "insufficient_funds", 101_000, 100_000),  # and the fee
        ({"client_id": "BOB"}, "insufficient_funds", 10_000, 0),
        ({"side": "sell", "quantity": 101}, "insufficient_holdings", 101, 100),
        ({"side": "sell", "security_id": "AAPL"}, "insufficient_holdings", 1, 0),
        ({"quantity": 1_001, "price_cents": 1}, "quantity_too_large", 1_001, 1_000),
        ({"client_id": "SMALL", "price_cents": 50_001}, "notional_too_large", 50_001, 50_000),
    ],
)
def test_an_order_lacks(terms: dict[str, object], reason: str, needed: int, available: int) -> None:
    decision = decide(desk(), order(**terms))
    assert isinstance(decision, Denied)
    assert (decision.reason, decision.shortfall) == (reason, (needed, available))


@pytest.mark.parametrize(
    ("terms", "known", "reason", "needed", "available"),
    [
        ({"quantity": 36}, bear(), "short_limit", 51, 50),
        ({"quantity": 20}, bear(lendable=19), "nothing_to_borrow", 20, 19),
        ({"quantity": 21}, bear(), "insufficient_margin", 105_000, 100_000),
        # A limit below the collar of a market order holds as much as that order.
        ({"quantity": 23, "price_cents": 1}, bear(), "insufficient_margin", 103_500, 100_000),
    ],
)
def test_a_short_sale_lacks(
    terms: dict[str, object], known: dict[str, object], reason: str, needed: int, available: int
) -> None:
    decision = decide(desk(**known), order(**SHORT | terms))
    assert isinstance(decision, Denied)
    assert (decision.reason, decision.shortfall) == (reason, (needed, available))


def test_a_replacement_lacks_what_it_needs_in_addition() -> None:
    entry = desk()
    decide(entry, order(1, quantity=9))
    decision = decide(entry, replace(1, quantity=11))
    assert isinstance(decision, Denied)
    assert (decision.reason, decision.shortfall) == ("insufficient_funds", (20_000, 10_000))


def test_a_position_limit_counts_what_is_held() -> None:
    limits = {"max_position": 30}
    decision = decide(desk(limits=limits, positions={("ANN", "MSFT"): 28}), order(quantity=3))
    assert isinstance(decision, Denied)
    assert (decision.reason, decision.shortfall) == ("position_limit", (31, 30))


@pytest.mark.parametrize("terms", [{"security_id": "XXXX"}, {"client_id": "NOBODY"}, {"security_id": "SHUT"}])
def test_other_denials_lack_nothing(terms: dict[str, object]) -> None:
    decision = decide(desk(), order(**terms))
    assert isinstance(decision, Denied)
    assert decision.shortfall is None
