"""The team's own fills in a replay: a list next to the slider that leads to the moment of each."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.api.dashboard.answers import ACCOUNT
from tests.api.dashboard.competitions.conftest import SIDEWAYS, OpenPage
from tests.api.dashboard.competitions.test_console import COMPETITION, HEIGHTS
from tests.support.browser import violations

BEGAN = datetime(2026, 1, 2, 3, 0, 0, 500, tzinfo=UTC)
# One trade every tenth of a second for two minutes; four of five are the team's: more than a page of fills.
TRADES = [[100 * n, 50 + n % 10 / 100, 1 + n % 7, "buy", f"0-{n}-0"] for n in range(1, 1_301)]
OWN = [trade for n, trade in enumerate(TRADES) if n % 5]
REPLAY: dict[str, Any] = {
    "competition_id": "c0ffee00",
    "round": 1,
    "security_id": "ACME",
    "name": "ACME",
    "began_at": BEGAN.isoformat(),
    "ended_at": (BEGAN + timedelta(milliseconds=130_050)).isoformat(),
    "book": [[0, "bid", 49.5, 10, 1], [0, "ask", 50.5, 10, 1]],
    "trades": TRADES,
    "phases": [[0, "auction"], [50, "continuous"]],
}
FILLS = [
    {
        "trade_id": trade_id,
        "order_id": n,
        "client_id": "BIRDS",
        "security_id": "ACME",
        "side": "sell" if n % 2 else "buy",
        "quantity": quantity,
        "price": price,
        "fee": 0,
        "timestamp": (BEGAN + timedelta(milliseconds=at_ms, microseconds=999)).isoformat(),
    }
    for n, (at_ms, price, quantity, _, trade_id) in enumerate(OWN)
][::-1]


def give_fills(route: Route) -> None:
    """Answer as the api does: newest first, at most 1,000 at a time."""
    found = re.search(r"cursor=(\d+)", route.request.url)
    first = int(found[1]) if found else 0
    rest = first + 1_000
    route.fulfill(json={"data": FILLS[first:rest], "next_cursor": str(rest) if rest < len(FILLS) else None})


def open_replay(open_at: OpenPage, **answers: Any) -> Page:
    page = open_at(
        "/?replay=c0ffee00&security=ACME",
        {
            "**/whoami": {"client_id": "BIRDS", "role": "client", "read_only": False},
            "**/accounts/BIRDS": ACCOUNT | {"client_id": "BIRDS"},
            "**/orders?*": {"data": [], "next_cursor": None},
            "**/competitions/c0ffee00": COMPETITION,
            "**/competitions/c0ffee00/replays": {"data": [{"round": 1, "security_id": "ACME", "name": "ACME"}]},
            "**/replay/ACME": REPLAY,
            **answers,
        },
    )
    expect(page.locator("#connection-state")).to_have_text("replay")
    return page


def sign_in(page: Page) -> None:
    page.fill("#key", "key")
    page.click("#key-form button")
    expect(page.locator("#replay-own")).to_be_visible()


def marks(page: Page) -> int:
    """Return how many marks of own fills the chart has."""
    found = re.search(r"(\d+) marks?", page.locator("#candles-chart").get_attribute("aria-label") or "")
    assert found
    return int(found[1])


PLAY_AND_GO_TO = """place => {
    document.querySelector("#replay-play").click();
    document.querySelectorAll("#replay-fills button")[place].click();
}"""


def test_a_fill_leads_to_its_moment(open_at: OpenPage) -> None:
    page = open_replay(open_at)
    for part in ("#replay-own", "#replay-steps"):
        expect(page.locator(part)).not_to_be_visible()
    page.locator("#replay-time").fill("130000")
    expect(page.locator("#tape-rows tr").first).to_be_visible()
    assert marks(page) == 0
    assert page.locator("#tape-rows tr.own").count() == 0

    page.route("**/fills?*", give_fills)
    sign_in(page)
    expect(page.locator("#replay-sum")).to_contain_text(f"{len(OWN):,} of {len(OWN):,} fills until here: bought ")
    expect(page.locator("#replay-fills li")).to_have_count(200)
    assert marks(page) > 100
    current = page.locator("#replay-fills [aria-current=true]")
    expect(current).to_be_in_viewport()
    page.locator("#replay-time").fill("0")
    expect(page.locator("#replay-sum")).to_have_text(f"0 of {len(OWN):,} fills until here.")
    assert page.locator("#replay-back").is_disabled()
    # Both clicks at once: on a slow machine the list moves on between them.
    page.evaluate(PLAY_AND_GO_TO, 10)
    expect(page.locator("#replay-play")).to_have_text("Play")  # it stops there
    at_ms, price, quantity, *_ = OWN[10]
    expect(page.locator("#replay-sum")).to_contain_text("11 of ")
    expect(page.locator("#tape-rows tr.own").first).to_contain_text(f"{price:.2f}")
    expect(current).to_have_text(re.compile(f"^0:0{at_ms // 1000}.*buy *{quantity} @ {price:.2f}$"))
    assert page.input_value("#replay-time") == str(at_ms)
    for button, reached in (("#replay-on", 12), ("#replay-on", 13), ("#replay-back", 12), ("#replay-back", 11)):
        page.click(button)
        expect(page.locator("#replay-sum")).to_contain_text(f"{reached} of ")
    for width, height in HEIGHTS.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(SIDEWAYS) == [], width
        expect(current).to_be_visible()
    assert violations(page) == []

    page.click("#key-forget")
    expect(page.locator("#replay-own")).not_to_be_visible()
    expect(page.locator("#replay-steps")).not_to_be_visible()
    expect(page.locator("#tape-rows tr.own")).to_have_count(0)


def test_a_team_without_fills_reads_so(open_at: OpenPage) -> None:
    page = open_replay(open_at, **{"**/fills?*": {"data": [], "next_cursor": None}})
    sign_in(page)
    expect(page.locator("#replay-sum")).to_have_text("You have no fills in this security and round.")
    expect(page.locator("#replay-steps")).not_to_be_visible()
    expect(page.locator("#ticket-who")).to_contain_text("Fills of BIRDS")
