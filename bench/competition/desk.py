"""The organiser and the teams in the browser: the console, the invitations, the projector and the report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, expect

from bench.browser import PATIENCE_MS

WALL: ViewportSize = {"width": 1920, "height": 1080}
PHONE: ViewportSize = {"width": 390, "height": 844}


class Desk:
    """The organiser's two screens, console and projector, and the phone on which teams join."""

    def __init__(self, browser: Browser, url: str, pictures: Path) -> None:
        self.url = url
        self._pictures = pictures
        self.console, self.wall, self.phone = (
            browser.new_context(viewport=size).new_page() for size in (WALL, WALL, PHONE)
        )
        self.requests = 0
        for page in (self.console, self.wall):
            page.set_default_timeout(PATIENCE_MS)
            page.on("request", self._count)
        self.console.on("dialog", lambda dialog: dialog.accept())

    def _count(self, _: object) -> None:
        self.requests += 1

    def create(self, key: str, shipped: str, changes: dict[str, Any], *, invitations: int) -> list[str]:
        """Sign in, create a competition from a shipped case with changes, and return the links of invitations."""
        page = self.console
        page.goto(f"{self.url}/console")
        page.fill("#key", key)
        page.click("#key-form button")
        page.locator("#shipped").select_option(shipped)
        case = json.loads(page.input_value("#case")) | changes
        page.fill("#case", json.dumps(case, indent=1))
        page.click("#create")
        expect(page.locator("#chosen-name")).to_have_text(case["name"])
        page.fill("#count", str(invitations))
        page.click("#invite")
        expect(page.locator("#links")).to_have_value(re.compile("/join/"))
        return page.input_value("#links").split()

    @property
    def competition_id(self) -> str:
        """The competition that the console shows."""
        return self.console.url.partition("#")[2]

    def join(self, link: str, team: str) -> tuple[str, str]:
        """Join with an invitation; return the account and its key."""
        page = self.phone
        page.goto(link)
        page.fill("#team", team)
        page.click("#join-form button")
        expect(page.locator("#joined-team")).to_have_text(team)
        return page.input_value("#client"), page.input_value("#key")

    def show(self) -> None:
        """Open the projector, and the console again if it was left."""
        self.wall.goto(f"{self.url}/projector/{self.competition_id}")

    def start(self) -> None:
        """Start the competition."""
        expect(self.console.locator("#start")).to_be_enabled()
        self.console.click("#start")

    def state(self) -> str:
        """Return the state and the round, as the console shows them."""
        return (
            f"{self.console.locator('#chosen-state').inner_text()} {self.console.locator('#chosen-round').inner_text()}"
        )

    def leave(self) -> str:
        """Close both pages, so that they ask nothing; return the console's address."""
        address = self.console.url
        for page in (self.console, self.wall):
            page.goto("about:blank")
        return address

    def come_back(self, address: str) -> None:
        """Open both pages again."""
        self.console.goto(address)
        expect(self.console.locator("#chosen-state")).not_to_be_empty()
        self.show()

    def report(self) -> Page:
        """Open the report from the console, on the wall's screen."""
        expect(self.console.locator("#report")).to_be_visible()
        self.wall.goto(self.url + str(self.console.locator("#report").get_attribute("href")))
        return self.wall

    def replay(self) -> Page:
        """Follow the report's first link to a replay, and move its slider to the middle."""
        self.wall.get_by_role("link", name="look again").first.click()
        expect(self.wall.locator("#connection-state")).to_have_text("replay")
        self.wall.locator("#replay-time").evaluate(
            "slider => { slider.value = slider.max / 2; slider.dispatchEvent(new Event('input')); }"
        )
        expect(self.wall.locator("#tape-rows tr").first).to_be_visible()
        return self.wall

    def picture(self, page: Page, name: str, *, full: bool = False) -> None:
        """Take a picture of a page."""
        page.screenshot(path=self._pictures / f"{name}.png", full_page=full)
