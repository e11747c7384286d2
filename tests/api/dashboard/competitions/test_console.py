"""The organiser's console at each width, with many teams of long names and with none."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.dashboard.competitions.conftest import CUT_OFF, SIDEWAYS, SMALL, OpenPage
from tests.support.browser import violations

HEIGHTS = {390: 844, 768: 1024, 1024: 768, 1440: 900, 1920: 1080}
NAMES = ("W" * 40, "Die außerordentlich langen Handelsgesell", "<b>Bold</b> & 'Quoted' <img src=x onerror=a>", "Birds")
COMPETITION: dict[str, Any] = {
    "competition_id": "c0ffee00",
    "name": "Autumn school of market microstructure, second group: Grand Final of the Season",
    "state": "running",
    "round": 1,
    "rounds": 2,
    "ends_at": "2026-01-02T03:05:00Z",
    "teams": 40,
    "max_teams": 60,
    "seed_sha256": "0" * 64,
    "scoring": "root",
    "final": "last",
    "phase": "trading",
    "phase_ends_at": "2026-01-02T03:05:00Z",
    "securities": [{"security_id": f"LONGNAME{n}.10", "name": f"LONGNAME{n}"} for n in range(3)],
}
EMPTY = COMPETITION | {"competition_id": "c0ffee01", "name": "Empty", "state": "registration", "phase": None}
EMPTY |= {"round": 0, "teams": 0, "ends_at": None, "phase_ends_at": None}


def team(number: int) -> dict[str, Any]:
    return {
        "client_id": f"c0ffee00.{number}-team",
        "team": NAMES[number % 4] if number < 4 else f"{NAMES[number % 4][:36]} {number}",
        "is_house": number >= 40,
        "state": "stopped" if number == 1 else "open",
        "balance": 1_234_567.89,
        "shares": {one["security_id"]: 1_234_567 for one in COMPETITION["securities"]},
        "live_gain": -123_456.78,
        "open_orders": 1_000,
        "orders_per_s": 99.9,
        "refused": number,
        "last_order_at": (datetime.now(UTC) - timedelta(seconds=70 + number)).isoformat(),
    }


def open_console(open_at: OpenPage, *, teams: int = 43, chosen: str = "c0ffee00", **options: Any) -> Page:
    page = open_at(
        f"/console#{chosen}",
        {
            "**/whoami": {"client_id": None, "role": "admin", "read_only": False},
            "**/cases": {"data": [{"name": "news", "case": {"name": "News"}}]},
            "**/competitions": {"data": [EMPTY, COMPETITION] if chosen else []},
            "**/competitions/*/teams": {"data": [team(number) for number in range(teams)]},
        },
        **options,
    )
    page.fill("#key", "admin's")
    page.click("#key-form button")
    expect(page.locator("#desk")).to_be_visible()
    return page


def test_nothing_scrolls_sideways_and_every_figure_is_shown(open_at: OpenPage) -> None:
    page = open_console(open_at)
    expect(page.locator("#teams tr")).to_have_count(43)
    figures = page.locator("#teams tr").first.locator("td")
    for width, height in HEIGHTS.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(SIDEWAYS) == [], width
        for text in (
            NAMES[0],
            "\N{MINUS SIGN}123,456.78",
            "1,234,567.89",
            "1,234,567\N{NO-BREAK SPACE}LONGNAME2.10",
            "1,000",
            "100",
        ):
            expect(figures.filter(has_text=text).first).to_be_visible()
        expect(figures.nth(7)).to_have_text(re.compile(r"\d+ s ago"))
        assert page.evaluate(CUT_OFF) == [], width
        assert page.locator("thead").is_visible() is (width > 1100), width
    assert violations(page) == []


def test_all_controls_are_in_reach_of_a_thumb(open_at: OpenPage) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = open_console(open_at, **phone)
    expect(page.locator("#teams tr")).to_have_count(43)
    assert page.evaluate(SMALL) == []
    assert violations(page) == []
    last = page.locator("#teams tr").last  # also there, the control of the round is at hand
    last.scroll_into_view_if_needed()
    for name in ("Pause", "Add one minute"):
        expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    expect(page.locator("#stop")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Start")).not_to_be_visible()
    # The bar does not lie over the last team.
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    box, bar = page.locator("#new summary").bounding_box(), page.locator(".controls").bounding_box()
    assert box
    assert bar
    assert box["y"] + box["height"] <= bar["y"]

    page.evaluate("scrollTo(0, 0)")
    expect(page.locator("#list-title")).not_to_be_in_viewport()
    page.click("#to-list")
    expect(page.locator("#list-title")).to_be_in_viewport()
    page.fill("#find", "außerORD")
    expect(page.locator("#teams tr:visible")).to_have_count(11)
    page.fill("#find", "no such team")
    expect(page.locator("#no-teams")).to_have_text("No team is called “no such team”.")


@pytest.mark.parametrize("chosen", ["c0ffee01", ""], ids=["no team", "no competition"])
def test_an_empty_console_says_what_to_do(open_at: OpenPage, chosen: str) -> None:
    page = open_console(open_at, teams=0, chosen=chosen)
    for width, height in HEIGHTS.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(SIDEWAYS) == [], width
    if chosen:
        expect(page.locator("#no-teams")).to_have_text("No team has joined yet.")
        expect(page.locator("#next")).to_contain_text("Create a link for each team")
        expect(page.locator("#teams-table")).not_to_be_visible()
    else:
        expect(page.locator("#none")).to_be_visible()
        expect(page.locator("#case")).to_be_visible()
        expect(page.locator("#chosen")).not_to_be_visible()
    assert violations(page) == []


def test_a_slip_of_the_thumb_starts_nothing(open_at: OpenPage) -> None:
    page = open_console(open_at, teams=0, chosen="c0ffee01")
    asked: list[str] = []
    page.route("**/start", lambda route: (asked.append(route.request.url), route.fulfill(json=EMPTY)))
    said: list[str] = []
    page.once("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.click("#start")
    assert said == ["Start “Empty” with 0 teams? No team can join later."]
    assert asked == []
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#start")
    expect(page.locator("#notice")).to_have_text("The first round is being prepared.")
    assert len(asked) == 1


def test_a_team_that_looks_at_the_console_keeps_its_key(open_at: OpenPage) -> None:
    page = open_at("/console", {"**/whoami": {"client_id": "BIRDS", "role": "client", "read_only": False}})
    page.fill("#key", "team's")
    page.click("#key-form button")
    expect(page.locator("#who")).to_contain_text("Sign in with the admin's key")
    expect(page.locator("#desk")).not_to_be_visible()
    assert page.evaluate("sessionStorage.getItem('exchange.key')") == "team's"


def test_a_new_key_is_shown_where_the_organiser_looks(open_at: OpenPage) -> None:
    page = open_console(open_at, viewport={"width": 390, "height": 844})
    asked: list[str] = []

    def replace(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=201, json={"client_id": "c0ffee00.39-team", "api_key": "sx_new"})

    page.route("**/teams/*/key", replace)
    page.once("dialog", lambda dialog: dialog.dismiss())
    button = page.get_by_role("button", name=re.compile("New key for .* 39$"))
    button.click()
    assert asked == []
    page.once("dialog", lambda dialog: dialog.accept())
    button.click()
    expect(page.locator("#new-key")).to_have_value("sx_new")
    expect(page.locator("#new-key")).to_be_in_viewport()
    expect(page.locator("#key-title")).to_contain_text("39")
    assert [url.partition("/competitions/")[2] for url in asked] == ["c0ffee00/teams/c0ffee00.39-team/key"]
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#new-key")).to_have_value("")


def test_times_are_those_of_the_exchange_on_a_computer_with_a_wrong_clock(open_at: OpenPage) -> None:
    page = open_console(open_at)
    expect(page.locator("#teams tr")).to_have_count(43)
    ends_at = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    page.route(
        "**/competitions",
        lambda route: route.fulfill(json={"data": [COMPETITION | {"ends_at": ends_at}]}, headers=dated()),
    )
    page.clock.set_system_time(datetime.now(UTC) - timedelta(hours=1))
    expect(page.locator("#chosen-left")).to_have_text(re.compile("^(30|29):"))
    expect(page.locator("#teams tr").first.locator(".last")).to_have_text(re.compile("^(7|8|9|10)[0-9] s ago"))


def dated() -> dict[str, str]:
    return {"Date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"), "Content-Type": "application/json"}
