"""`make pictures`: the pictures of the page in docs/images/, from the running exchange while many bots trade.

It needs the browser that `make test` installs, and a few minutes, so that the curves are visible.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, expect

from bench.browser import running_browser
from tests.support.browser import Visit
from tests.support.busy_market import busy_market

FOLDER = Path("docs/images")
SECURITY = "AAPL"
MOST_BYTES = 400_000


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the page, and pictures of some of its panels.

    waits   whether the page is open from the beginning, so that its curves have data
    panels  panels by the name of their picture
    """

    name: str
    theme: Literal["light", "dark"]
    width: int
    height: int
    waits: bool = False
    trades: bool = False
    panels: Mapping[str, str] = field(default_factory=dict)


PICTURES = (
    Picture(
        "page-dark", "dark", 1440, 900, waits=True, panels={"pipeline": "#pipeline", "leaderboard": "#leaderboard"}
    ),
    Picture("page-light-trading", "light", 1440, 900, waits=True, trades=True, panels={"life": "#life"}),
    Picture("page-1024", "dark", 1024, 1120),
    Picture("page-390", "light", 390, 1400),
)


def main() -> int:
    """Run a busy market for a while, and take the pictures."""
    parser = argparse.ArgumentParser(prog="make pictures", description="Takes the pictures in docs/images/ again.")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the exchange (default: %(default)s)")
    parser.add_argument("--keys-file", type=Path, default=Path(".run/keys.json"), help="(default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of trading before (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where they go (default: %(default)s)")
    given = parser.parse_args()
    keys = json.loads(given.keys_file.read_text())
    given.folder.mkdir(parents=True, exist_ok=True)
    with busy_market(given.url, admin_key=keys["admin"]), running_browser() as browser:
        key = keys["SINGLE"]
        waiting = {one.name: _open(browser, given.url, one, key=key) for one in PICTURES if one.waits}
        time.sleep(given.minutes * 60)
        for picture in PICTURES:
            visit = waiting.get(picture.name) or _open(browser, given.url, picture, key=key)
            _take(visit.page, picture, given.folder)
            visit.check()
            visit.page.context.close()
    return 0


def _open(browser: Browser, url: str, picture: Picture, *, key: str) -> Visit:
    visit = Visit(
        browser,
        url,
        color_scheme=picture.theme,
        viewport={"width": picture.width, "height": picture.height},
    )
    page = visit.open()
    page.get_by_role("button", name=SECURITY, exact=True).click()
    if picture.trades:
        visit.trade_as(key)
    return visit


def _take(page: Page, picture: Picture, folder: Path) -> None:
    page.bring_to_front()
    if picture.trades:
        _trade(page)
    else:
        expect(page.locator("#life-table")).to_be_visible()
        expect(page.locator("#pipeline-queues")).to_be_visible()
    path = folder / f"{picture.name}.png"
    page.screenshot(path=path, full_page=picture.waits)
    _print_path(path)
    for name, panel in picture.panels.items():
        path = folder / f"{name}.png"
        page.locator(panel).screenshot(path=path)
        _print_path(path)


def _print_path(path: Path) -> None:
    size = path.stat().st_size
    sys.stdout.write(f"{path}  {size / 1_000:.0f} kB\n")
    assert size <= MOST_BYTES, "too large for a repository"


def _trade(page: Page) -> None:
    """Take the ask, leave an order in the book, and open the life of the order that traded."""
    page.get_by_label("history", exact=True).check()
    page.fill("#order-quantity", "3")
    page.click("#take-ask")
    page.click("#order-submit")
    expect(page.locator("#order-outcome")).to_contain_text("on average")
    expect(page.locator("#orders-rows tr").first).to_contain_text("filled")
    page.get_by_label("life of order").first.click()
    expect(page.locator("#life-legend")).to_contain_text("order ")
    page.fill("#order-quantity", "7")
    bid = float(page.locator("#quote-bid").inner_text().replace(",", ""))
    page.fill("#order-price", f"{bid - 0.15:.2f}")
    page.click("#order-submit")
    expect(page.locator("#order-outcome")).to_contain_text("resting")
    expect(page.locator("#ladder-bids tr.own")).not_to_have_count(0)
    page.evaluate("scrollTo(0, 0)")


if __name__ == "__main__":
    raise SystemExit(main())
