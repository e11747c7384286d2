"""The page in a real browser."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize

from bench.browser import PATIENCE_MS

AXE = Path(__file__).parent / "axe_core" / "axe.min.js"
DESK: ViewportSize = {"width": 1440, "height": 1000}

# The browser's own messages about a cut connection; a page cannot suppress them.
CUT_OFF = ("WebSocket connection to", "net::ERR_")


class Visit:
    """A page of an exchange, and the complaints of its browser."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        context = browser.new_context(**{"viewport": DESK, **options})
        context.set_default_timeout(PATIENCE_MS)
        self.url = url
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda fault: self.complaints.append(fault.stack or fault.message))
        self.page.on("request", lambda request: request.url.startswith(url) or self.elsewhere.append(request.url))

    def _hear(self, said: ConsoleMessage) -> None:
        url = said.location["url"]
        # A new order has no life until its reports are stored; the page asks again.
        waits = "404" in said.text and url.endswith("/life")
        # Another program, for example one that starts containers, has added a network; the page asks again.
        is_of_the_machine = "ERR_NETWORK_CHANGED" in said.text
        if said.type == "error" and not waits and not is_of_the_machine:
            self.complaints.append(f"{said.text} {url}")

    def open(self, path: str = "") -> Page:
        """Load the page, and wait until it is connected."""
        self.page.goto(self.url + path)
        self.page.locator("#connection[data-state=live]").wait_for()
        return self.page

    def trade_as(self, key: str) -> None:
        """Enter a key."""
        self.page.fill("#key", key)
        self.page.click("#key-form button")
        self.page.locator("#ticket-who").wait_for()

    def check(self, *, forgiven: tuple[str, ...] = ()) -> None:
        """Check that there were no errors and no requests to other hosts."""
        complaints = (
            [text for text in self.complaints if not text.startswith(forgiven)] if forgiven else self.complaints
        )
        assert complaints == [], complaints
        assert self.elsewhere == []


def violations(page: Page, *, within: str = "html") -> list[str]:
    """Return the findings of axe, as rule and element."""
    listed = dict(reversed(line.split("  ")) for line in (AXE.parent / "checksums.sha256").read_text().splitlines())
    assert hashlib.sha256(AXE.read_bytes()).hexdigest() == listed[AXE.name]
    page.evaluate(AXE.read_text())  # as the debugger does: the policy of the page does not apply
    found = page.evaluate("within => axe.run(within, {resultTypes: ['violations']})", within)
    return [
        f"{violation['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
