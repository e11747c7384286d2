"""The duty to quote: which teams meet it, and the cost of missing time."""

from __future__ import annotations

import pytest

from tasks.referee.rules.case import Duty
from tasks.referee.rules.duty import Resting, does_quote, penalty_cents

DUTY = Duty(max_spread_cents=30, quantity=20, presence=0.6, penalty_cents=5_00)


def orders(*terms: tuple[str, int, int], security_id: str = "ACME") -> list[Resting]:
    return [Resting(security_id, side, price, quantity) for side, price, quantity in terms]


@pytest.mark.parametrize(
    ("resting", "expected"),
    [
        ([("buy", 9_985, 20), ("sell", 10_015, 20)], True),
        ([("buy", 9_984, 20), ("sell", 10_015, 20)], False),
        ([("buy", 9_990, 19), ("sell", 10_010, 20)], False),
        ([("buy", 9_995, 15), ("buy", 9_985, 5), ("sell", 10_015, 20)], True),
        ([("buy", 9_995, 15), ("buy", 9_984, 5), ("sell", 10_015, 20)], False),
        ([("buy", 9_995, 20)], False),
        ([], False),
    ],
)
def test_large_and_close_enough_on_both_sides(resting: list[tuple[str, int, int]], expected: bool) -> None:
    assert does_quote(orders(*resting), DUTY, ["ACME"]) is expected


def test_every_security_is_quoted() -> None:
    of_one = orders(("buy", 9_990, 20), ("sell", 10_010, 20))
    assert not does_quote(of_one, DUTY, ["ACME", "OTHER"])
    assert does_quote(of_one + orders(("buy", 90, 20), ("sell", 95, 20), security_id="OTHER"), DUTY, ["ACME", "OTHER"])


@pytest.mark.parametrize(
    ("quoted", "samples", "expected"),
    [(60, 100, 0), (100, 100, 0), (59, 100, 5_00), (0, 100, 300_00), (1, 3, 27 * 5_00), (0, 0, 0)],
)
def test_each_missing_percent_costs_the_penalty(quoted: int, samples: int, expected: int) -> None:
    assert penalty_cents(DUTY, quoted=quoted, samples=samples) == expected
