"""The report: what it says the rounds prove, and its texts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from api.competitions.certainty import certainty
from api.competitions.report_page import Facts, page
from bots.league.scoring.statistics import compare
from db.clearing_data.competition.competitions import Competition
from tasks.referee.rules.case import House
from tests.tasks.referee.rules.cases import case


def standings(*points: list[float]) -> list[dict[str, Any]]:
    """Return standings of teams with these points in the rounds, as the api gives them."""
    return [
        {
            "rank": place,
            "team": f"<b>{place}</b>",
            "rounds": [{"round": n, "points": one} for n, one in enumerate(some, 1)],
        }
        for place, some in enumerate(points, start=1)
    ]


@pytest.mark.parametrize(("rounds", "said"), [(1, "One round is too few"), (2, "2 rounds are too few"), (4, "too few")])
def test_a_few_rounds_do_not_say_which_team_is_better(rounds: int, said: str) -> None:
    page = "".join(certainty(standings([10.0] * rounds, [-10.0] * rounds)))
    assert said in page
    assert "Is it better?" not in page


def test_intervals_are_those_of_student_and_names_are_escaped() -> None:
    page = "".join(certainty(standings([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])))
    assert "<td>2.00</td><td>&minus;0.48 to 4.48</td>" in page  # 2 ± 4.3027 / √3
    assert "&lt;b&gt;1&lt;/b&gt;" in page
    assert "<b>" not in page


def test_five_rounds_compare_every_pair() -> None:
    points = [[9.0, 8.0, 9.5, 8.5, 9.0], [1.0, 2.0, 1.5, 1.0, 2.0], [5.0, -5.0, 8.0, -9.0, 3.0]]
    page = "".join(certainty(standings(*points)))
    better = compare(points).better
    assert better[0][1] is not None
    assert better[0][1] > 0.995
    assert "Is it better?" in page
    assert page.count("&gt;99%".replace("%", "\N{NO-BREAK SPACE}%")) == 1
    assert f"{better[0][2]:.0%}".replace("%", "\N{NO-BREAK SPACE}%") in page
    assert "corrected for 3 pairs" in page


def test_nothing_is_said_of_nothing() -> None:
    for rows in ([], standings([], [])):
        assert "".join(certainty(rows)) == '<p class="quiet">No round was scored.</p>'


def facts(*rows: dict[str, Any]) -> Facts:
    """Return the facts of a competition that was stopped, with these standings."""
    found = Competition(
        1, "c1", "<i>Grand</i> Final", "stopped", "over", 1, None, None, None, None, 1, "cafe",
        case(house=[House(strategy="market_maker", count=2)]),
    )  # fmt: skip
    return Facts(found, [], rows, [], [], {})


def test_a_report_without_teams_says_so() -> None:
    report = page(facts())
    assert "No team joined." in report
    assert "0 teams, 0 of " in report
    assert "&lt;i&gt;Grand&lt;/i&gt; Final" in report
    assert "<i>" not in report


def test_losses_have_a_minus_and_house_bots_are_counted() -> None:
    score = {"rank": 1, "team": "<script>", "client_id": "c1.1", "points": Decimal("-1234.50"), "gain": Decimal(-7)}
    report = page(facts(score | {"rounds": [{"round": 1, "gain": Decimal(-7), "points": Decimal("-1234.50")}]}))
    assert report.count("&minus;1,234.50") >= 3
    assert "-1,234.50" not in report
    assert "2 &times; market_maker" in report
    assert "<script" not in report
