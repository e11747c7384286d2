"""Gains become points, and points become ranks."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tasks.referee.rules.case import Scoring
from tasks.referee.rules.scoring import endowment_cents, live_gains, points, ranks, signed_root
from tests.tasks.referee.rules.cases import case


class Account(NamedTuple):
    cash_cents: int
    shares: dict[str, int]


@pytest.mark.parametrize(
    ("scoring", "gains", "expected"),
    [
        ("gain", {"a": 12_34, "b": -5_00, "c": 0}, {"a": 12_34, "b": -5_00, "c": 0}),
        ("root", {"a": 100_00, "b": -4_00, "c": 0}, {"a": 10_00, "b": -2_00, "c": 0}),
        ("rank", {"a": 100_00, "b": -4_00, "c": 0}, {"a": 3_00, "b": 1_00, "c": 2_00}),
        ("rank", {"a": 7, "b": 7, "c": 1}, {"a": 3_00, "b": 3_00, "c": 1_00}),
        ("rank", {"a": 7, "b": 1, "c": 1}, {"a": 3_00, "b": 2_00, "c": 2_00}),
        ("rank", {}, {}),
    ],
)
def test_the_points_of_a_round(scoring: Scoring, gains: dict[str, int], expected: dict[str, int]) -> None:
    assert points(gains, scoring) == expected


def test_equal_scores_share_a_rank_and_the_next_one_counts_all_before_it() -> None:
    assert ranks({"a": 5, "b": 9, "c": 5, "d": 1}) == {"b": 1, "a": 2, "c": 2, "d": 4}


def test_the_root_keeps_its_sign_and_has_two_places() -> None:
    assert [signed_root(cents) for cents in (2_00, -2_00, 1, -1, 10**14)] == [141, -141, 10, -10, 10**8]


def test_an_endowment_is_worth_its_cash_and_its_shares_at_the_values_of_the_settlement() -> None:
    assert endowment_cents(1_000, {"ACME": 3}, {"ACME": 50, "OTHER": 7}) == 1_150


def test_a_closed_account_gains_from_what_it_received() -> None:
    worth = {
        "plays": Account(10_000_00, {"ACME.2": 101}),
        "never began": Account(0, {}),
        "got cash only": Account(9_990_00, {"ACME.2": 1}),
    }
    received = {"never began": Account(0, {}), "got cash only": Account(10_000_00, {})}
    gains = live_gains(case(), {"ACME": "ACME.2"}, {"ACME.2": 51_00}, worth, received)
    assert gains == {"plays": 51_00, "never began": 0, "got cash only": 41_00}
