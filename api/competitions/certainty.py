"""The part of the report that says what the rounds prove: intervals of the points, and which team is better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from api.competitions.report_parts import table
from bots.league.reporting.saying import chance
from bots.league.scoring.statistics import CONFIDENCE, ENOUGH_MATCHES, Comparison, Estimate, compare

# Every pair of the top teams is compared and counts in the correction; the table shows fewer teams.
_MOST_COMPARED = 50
_MOST_SHOWN = 10


def certainty(standings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the part, which compares the teams by their points in the same rounds."""
    teams = standings[:_MOST_COMPARED]
    rounds = len(teams[0]["rounds"]) if teams else 0
    if not rounds:
        yield '<p class="quiet">No round was scored.</p>'
        return
    comparison = compare([[float(one["points"]) for one in row["rounds"]] for row in teams])
    yield _intervals(teams, comparison.estimates)
    if rounds < ENOUGH_MATCHES:
        yield (
            f"<p>{_count(rounds)} too few to say whether a team is better than another: one unusual round would "
            f"decide. With {ENOUGH_MATCHES} rounds or more, this report compares the teams.</p>"
        )
    elif len(teams) > 1:
        yield from _better(teams, comparison)


def _count(rounds: int) -> str:
    return "One round is" if rounds == 1 else f"{rounds} rounds are"


def _intervals(teams: Sequence[Mapping[str, Any]], estimates: Sequence[Estimate]) -> str:
    rows = [
        [str(row["rank"]), escape(row["team"]), _points(one.mean), _interval(one)]
        for row, one in zip(teams, estimates, strict=True)
    ]
    return table(["#", "Team", "Points a round", f"{CONFIDENCE:.0%} interval"], rows)


def _interval(one: Estimate) -> str:
    return "&ndash;" if one.low is None else f"{_points(one.low)} to {_points(one.high)}"


def _points(value: float | None) -> str:
    return "&ndash;" if value is None else f"{value:,.2f}".replace("-", "&minus;")


def _better(teams: Sequence[Mapping[str, Any]], comparison: Comparison) -> Iterator[str]:
    shown = range(min(len(teams), _MOST_SHOWN))
    yield "<h3>Is it better?</h3>"
    yield table(
        ["#", "Team", *(f"than {escape(teams[column]['team'])}" for column in shown)],
        [
            [
                str(teams[row]["rank"]),
                escape(teams[row]["team"]),
                *("" if row == column else escape(chance(comparison.better[row][column])) for column in shown),
            ]
            for row in shown
        ],
    )
    pairs = len(teams) * (len(teams) - 1) // 2
    yield (
        '<p class="quiet">How certain it is that the team of the row is better than that of the column, by their '
        f"points in the same rounds: Student's distribution, corrected for {pairs:,} pairs by Holm's procedure. "
        "Only values above 97 % or below 3 % are more than chance.</p>"
    )
