"""The report is one self-contained page; names and errors of bots appear as text and never run."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import pytest

from bots.league.play.configuration import League, parse
from bots.league.play.result import Match
from bots.league.reporting.report import page
from bots.league.reporting.saying import chance, dollars, percent
from bots.league.reporting.summary import headline
from bots.league.scoring.standings import Scoreboard, as_csv, scoreboard
from tests.bots.league.matches import bot, failure, fill, match

EVIL = '<script>alert("1")</script> & $x^2$'
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Checks that elements are closed in the order of their opening, and collects what a page would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [value or "" for name, value in attrs if name in {"src", "href"}]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def played(seed: int) -> Match:
    prices = [100_00, 101_00 + seed, 102_00, 101_50]
    good = bot("good", [(100_000, 10), (90_000, 11), (90_000, 11), (100_500 + 100 * seed, 10)])
    evil = bot(
        EVIL,
        [(100_000, 10)] * 3 + [(99_500, 10)],
        failure=failure("ValueError: <b>no</b>") if seed == 2 else None,
        fills=[fill(1, "buy", 2, 100_00)],
        orders=3,
    )
    return match([evil, good], prices, seed=seed)


def league_of(seeds: int) -> League:
    return parse({"seeds": seeds, "duration": 180, "bots": [{"strategy": "gauss", "name": "good"}]}, named="here")


@pytest.fixture(scope="module")
def report() -> str:
    matches = [played(seed) for seed in (1, 2, 3)]
    return page(league_of(3), matches, scoreboard(matches), matches_hash="aa11", board_hash="bb22")


def test_it_is_html_that_loads_nothing(report: str) -> None:
    read = Page(report)
    assert read.open == []
    assert all(address.startswith(("data:image/svg+xml;base64,", "#")) for address in read.loads)
    assert len(read.ids) == len(set(read.ids))
    assert {address for address in read.loads if address.startswith("#")} <= {f"#{one}" for one in read.ids}
    assert "script" not in read.tags
    assert not re.search(r"https?://", report)


def test_names_and_errors_are_text(report: str) -> None:
    assert "<script" not in report
    assert "&lt;script&gt;" in report
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in report


def test_the_report_names_winner_disqualified_bots_and_verification(report: str) -> None:
    assert "good came first and gained $7.00 per match" in report
    assert "seed 2: raised after 30s" in report
    assert "Traceback (most recent call last)" in report
    assert "python -m bots verify" in report
    assert "aa11" in report
    assert "bb22" in report


def test_the_same_matches_make_the_same_page(report: str) -> None:
    matches = [played(seed) for seed in (1, 2, 3)]
    assert page(league_of(3), matches, scoreboard(matches), matches_hash="aa11", board_hash="bb22") == report


def test_a_single_match_claims_no_certainty() -> None:
    board = scoreboard([played(1)])
    assert headline(board).endswith("there are too few matches to say which is better.")
    text = page(league_of(1), [played(1)], board, matches_hash="", board_hash="")
    assert "95&nbsp;%" not in text
    assert "1 match is too few to say" in text


def test_the_disqualified_stand_behind_the_others() -> None:
    rich = bot("rich", [(100_000, 10), (900_000, 10)], failure=failure("ValueError"))
    poor = bot("poor", [(100_000, 10), (1_000, 10)])
    board = scoreboard([match([rich, poor], [100_00, 100_00])])
    assert [(one.place, one.name) for one in board.standings] == [(1, "poor"), (2, "rich")]


def test_51_equal_gains_share_a_place() -> None:
    ends = {"best": 900_000, "one": 500_000, "other": 500_000, "last": 1_000}
    bots = [bot(name, [(100_000, 10), (cash_cents, 10)]) for name, cash_cents in ends.items()]
    board = scoreboard([match(bots, [100_00, 100_00])])
    assert [(one.place, one.name) for one in board.standings] == [(1, "best"), (2, "one"), (2, "other"), (4, "last")]


def test_the_table_for_a_spreadsheet() -> None:
    board: Scoreboard = scoreboard([played(1), played(3)])
    rows = list(csv.DictReader(io.StringIO(as_csv(board, ["MSFT"]))))
    assert [row["bot"] for row in rows] == ["good", EVIL]
    assert rows[0]["gain"] == "7.00"
    assert rows[0]["wins"] == "2"
    assert rows[0]["shares_MSFT"] == "10.0"
    assert rows[1]["balance"] == "995.00"


def test_numbers_as_people_read_them() -> None:
    assert [dollars(cents) for cents in (123_456_78, -9_99, None)] == ["$123,457", "\N{MINUS SIGN}$9.99", "\N{EN DASH}"]
    assert percent(-0.0123, sign=True) == "\N{MINUS SIGN}1.23\N{NO-BREAK SPACE}%"
    said = [chance(one).replace("\N{NO-BREAK SPACE}", " ") for one in (None, 0.5, 0.999, 0.0)]
    assert said == ["", "50 %", ">99 %", "<1 %"]
