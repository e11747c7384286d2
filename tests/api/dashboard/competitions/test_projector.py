"""The page for the wall: forty teams, long texts, nothing at all, and a round that is being prepared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Page, ViewportSize, expect

from tests.api.dashboard.competitions.conftest import CUT_OFF, SIDEWAYS, OpenPage
from tests.api.dashboard.competitions.test_console import COMPETITION, EMPTY, HEIGHTS, NAMES
from tests.support.browser import violations

WALL: ViewportSize = {"width": 1920, "height": 1080}
SECURITY = COMPETITION["securities"][0]["security_id"]
LISTED = [one["security_id"] for one in COMPETITION["securities"]]
NO_PRICE = {"bid": None, "ask": None, "last": None}

# Whether no team is cut off: on a wall the last one is inside its panel, a phone scrolls.
FITS = """(scrolls) => {
    const rows = [...document.querySelectorAll("#standings tr")];
    const bottom = document.getElementById("page").getBoundingClientRect().bottom;
    const limit = document.querySelector(".board").getBoundingClientRect().bottom;
    const [first, last] = document.getElementById("page").textContent.split(/\\D+/).map(Number);
    const still = rows.every((row) => row.getAnimations().length === 0);
    const fits = last - first + 1 === rows.length && bottom <= limit;
    return rows.length > 0 && still && (scrolls ? rows.length === 40 : fits);
}"""


def standing(number: int) -> dict[str, Any]:
    name = NAMES[number % 4] if number < 4 else f"{NAMES[number % 4][:36]} {number}"
    score = {"rank": number + 1, "points": 40 - number, "gain": 100 - number, "live_gain": None, "rounds": []}
    return score | {"team": name, "client_id": f"c0ffee00.{number}"}


def news(headline: str, security_id: str | None) -> dict[str, Any]:
    return {"headline": headline, "security_id": security_id, "timestamp": "2026-01-02T03:00:00Z", "news_id": 1}


def open_wall(
    open_at: OpenPage,
    competition: dict[str, Any],
    *,
    teams: int,
    prices: dict[str, Any],
    published: list[Any],
    listed: Sequence[str] = LISTED,
) -> Page:
    competition_id = competition["competition_id"]
    answers = {
        "**/competitions/c0ffee0*": competition,
        "**/competitions/c0ffee0*/standings": {"data": [standing(number) for number in range(teams)]},
        "**/price/*": prices,
        "**/securities": {"data": [{"security_id": one, "reference_price": 9_000} for one in listed]},
        "**/news?*": {"data": published},
    }
    return open_at(f"/projector/{competition_id}", answers, viewport=WALL)


def test_the_wall_shows_forty_teams_in_turn_and_long_texts(open_at: OpenPage) -> None:
    published = [
        news("<b>Bold</b> <script>alert(1)</script>", None),
        news("B" * 200, SECURITY),
        news("of another competition", "OTHER"),
        *[news(f"{n} " + "the spring " * 17, SECURITY) for n in range(3)],
    ]
    prices = {"bid": 9_999.5, "ask": 10_000, "last": None}
    page = open_wall(open_at, COMPETITION, teams=40, prices=prices, published=published)
    rows, caption = page.locator("#standings tr"), page.locator("#page")
    for width, height in HEIGHTS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(FITS, arg=width <= 800)
        assert page.evaluate(SIDEWAYS) == [], width
        assert page.evaluate(CUT_OFF) == [], width
        if width <= 800:
            expect(rows).to_have_count(40)
            expect(caption).to_be_empty()
        else:
            assert page.evaluate("document.documentElement.scrollHeight") <= height
            expect(caption).to_have_text(re.compile("^[0-9]+\N{EN DASH}[0-9]+ of 40 teams$"))
    expect(page.locator("#prices strong").first).to_have_text("9,999.75")
    expect(page.locator("#news")).to_contain_text("<b>Bold</b> <script>alert(1)</script>")
    expect(page.locator("#news")).not_to_contain_text("of another competition")
    assert violations(page) == []
    page.clock.install()
    before = caption.inner_text()
    page.clock.fast_forward(10_000)
    expect(caption).not_to_have_text(before)
    assert page.locator("script:not([src])").count() == 0


def test_before_the_first_team_the_wall_says_how_to_join(open_at: OpenPage) -> None:
    page = open_wall(open_at, EMPTY | {"rounds": 1}, teams=0, prices=NO_PRICE, published=[])
    expect(page.locator("#round")).to_have_text("1 round, 0 teams")
    expect(page.locator("#empty")).to_contain_text("Teams join with a link from the organiser")
    for part in ("#board", "#news-panel", "#prices", "#clock"):
        expect(page.locator(part)).not_to_be_visible()
    assert violations(page) == []


def test_a_round_whose_securities_are_not_listed_yet_is_being_prepared(open_at: OpenPage) -> None:
    page = open_wall(open_at, COMPETITION | {"phase": None}, teams=3, prices=NO_PRICE, published=[], listed=[])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_event("request", lambda request: request.url.endswith("/standings"))
    assert [url for url in asked if "/price/" in url] == []
    expect(page.locator("#prices strong").first).to_have_text("\N{EN DASH}")
    expect(page.locator("#state")).to_have_text("Preparing the round")
    expect(page.locator("#standings tr")).to_have_count(3)


def test_when_it_is_over_the_wall_leads_to_the_report(open_at: OpenPage) -> None:
    over = COMPETITION | {"state": "finished", "phase": None, "seed": "cafe", "ends_at": None, "phase_ends_at": None}
    page = open_wall(open_at, over, teams=3, prices=NO_PRICE, published=[])
    expect(page.locator("#onward a")).to_have_text(page.url.replace("projector", "competitions") + "/report")
    expect(page.locator("#clock")).not_to_be_visible()
