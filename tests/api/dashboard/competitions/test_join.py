"""The page of an invitation, for a newcomer: its texts, a lost answer, and a page that is loaded again."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.dashboard.competitions.conftest import SIDEWAYS, SMALL, OpenPage
from tests.api.dashboard.competitions.test_console import COMPETITION, NAMES
from tests.support.browser import violations

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
INVITATION = {"competition_id": "c0ffee00", "name": COMPETITION["name"], "state": "registration", "is_used": False}
SECURITIES = {"data": [{"security_id": COMPETITION["securities"][0]["security_id"], "reference_price": 61.25}]}
JOINED = {"client_id": "c0ffee00.1-birds", "api_key": "sx_secret", "competition_id": "c0ffee00"}


def open_invitation(open_at: OpenPage, **changes: Any) -> Page:
    page = open_at("/static/icon.svg", {"**/competitions/c0ffee00": COMPETITION, "**/securities": SECURITIES}, **PHONE)

    def answer(route: Route) -> None:
        if route.request.resource_type == "document":
            route.continue_()
        elif route.request.method == "POST":
            route.fulfill(status=201, json=JOINED)
        else:
            route.fulfill(json=INVITATION | changes)

    page.route("**/join/token", answer)
    page.goto(page.url.replace("/static/icon.svg", "/join/token"))
    return page


def test_a_team_joins_and_its_key_survives_a_reload(open_at: OpenPage) -> None:
    page = open_invitation(open_at)
    expect(page.locator("#competition-name")).to_have_text(COMPETITION["name"])
    assert page.evaluate(SMALL) == []
    page.fill("#team", NAMES[0])
    page.click("#join")
    for _ in range(2):
        expect(page.locator("#joined-team")).to_have_text(NAMES[0])
        expect(page.locator("#key")).to_have_value("sx_secret")
        expect(page.locator("#next")).to_contain_text("The organiser starts the first of 2 rounds")
        # An order that the exchange takes: for a security of the competition, at its price.
        expect(page.locator("#curl")).to_contain_text(
            '"security_id":"LONGNAME0.10","side":"buy","quantity":1,"price":61.25'
        )
        assert page.evaluate(SIDEWAYS) == []
        assert page.evaluate(SMALL) == []
        assert violations(page) == []
        page.reload()
    page.route("**/?security=*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.click("#trade")
    page.wait_for_url("**/?security=LONGNAME0.10")
    assert page.evaluate("sessionStorage.getItem('exchange.key')") == "sx_secret"


@pytest.mark.parametrize(
    ("changes", "said", "links"),
    [
        ({"is_used": True}, "ask the organiser for a new key if you have lost it", ["Standings"]),
        ({"state": "running"}, "teams can no longer join", ["Standings"]),
        ({"state": "finished", "is_used": True}, "The competition is over.", ["Standings", "Report"]),
        ({"state": "stopped"}, "The competition was stopped.", ["Standings", "Report"]),
    ],
    ids=["used", "running", "finished", "stopped"],
)
def test_visitors_who_cannot_join_read_why_and_where_to_go(
    open_at: OpenPage, changes: dict[str, Any], said: str, links: list[str]
) -> None:
    page = open_invitation(open_at, **changes)
    expect(page.locator("#state")).to_contain_text(said)
    expect(page.locator("#onward a")).to_have_text(links)
    expect(page.locator("#join-form")).not_to_be_visible()
    assert page.evaluate(SMALL) == []
