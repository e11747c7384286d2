"""What fits together in a case; tests of the api go through all faults and their places."""

from __future__ import annotations

import msgspec
import pytest

from tasks.referee.rules.case import CaseNews, House, decode, encode, faults_of, issued_of
from tests.tasks.referee.rules.cases import ACME, case


def test_a_case_survives_the_database() -> None:
    full = case(house=[House(strategy="retail", count=2, options={"quantity": 3})], limits={"max_position": 5})
    assert decode(encode(full)) == full
    assert not list(faults_of(full))


@pytest.mark.parametrize(
    ("issued", "shares", "expected"),
    [(0, 100, 100_000), (0, 5_000, 210_000), (250_000, 5_000, 250_000)],
)
def test_as_many_shares_are_issued_as_all_endowments_take(issued: int, shares: int, expected: int) -> None:
    security = msgspec.structs.replace(ACME, issued=issued)
    of_forty_teams_and_two_bots = case(
        securities=[security], shares={"ACME": shares}, house=[House(strategy="retail", count=2)]
    )
    assert issued_of(of_forty_teams_and_two_bots, security) == expected
    assert not list(faults_of(of_forty_teams_and_two_bots))


def test_news_of_a_round_that_there_is_not() -> None:
    late = case(rounds=2, news=[CaseNews(at_us=0, headline="x", round=3)])
    assert [fault.pointer for fault in faults_of(late)] == ["/news/0/round"]
