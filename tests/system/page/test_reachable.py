"""The page can be used with the keyboard alone, and axe finds nothing that a screen reader would miss."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visit, violations
from tests.support.exchange import Exchange
from tests.support.page import WIDTHS, row_of


def test_an_order_needs_no_mouse(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    visit.trade_as(exchange.keys["SINGLE"])
    page.keyboard.press("Tab")  # the first field of the ticket comes after the ticket itself, which has the focus
    expect(page.locator("#key-forget")).to_be_focused()
    expect(page.locator("#take-most")).to_be_enabled()  # from then on it is a stop of the tab key, too
    page.keyboard.press("Tab")
    expect(page.get_by_label("Buy", exact=True)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Sell", exact=True)).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Limit", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#order-quantity")).to_be_focused()
    page.keyboard.type("4")
    page.keyboard.press("Tab")
    expect(page.locator("#take-most")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#order-price")).to_be_focused()
    page.keyboard.type("143.21")
    expect(page.locator("#order-submit")).to_have_text("Sell 4 MSFT @ 143.21")
    page.keyboard.press("Enter")
    expect(page.locator("#order-submit")).to_have_text("Confirm: Sell 4 MSFT @ 143.21")
    page.keyboard.press("Enter")
    order = row_of(visit, "#orders-rows", "143.21")
    expect(order).to_contain_text("▼ sell")
    order.get_by_role("button", name="cancel").press("Enter")
    expect(order).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, exchange: Exchange, theme: str) -> None:
    visit = Visit(browser, exchange.url, color_scheme=theme)
    page = visit.open()
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    expect(page.locator("#leaderboard-rows tr").first).to_be_visible()
    if theme == "light":
        assert violations(page) == []
        for width in WIDTHS:  # the form for the key is all that the page has only without one
            page.set_viewport_size({"width": width, "height": 900})
            assert violations(page, within="#ticket") == [], width
    visit.trade_as(exchange.keys["FLOOD"])
    expect(page.locator("#account-balance")).to_have_text(re.compile(r"[0-9]"))
    page.get_by_label("history", exact=True).check()
    page.locator("#orders-rows").get_by_role("button", name="life of order").first.click()
    page.click("#step-on")
    expect(page.locator("#step-count")).to_contain_text("1 of")
    for width in WIDTHS if theme == "light" else WIDTHS[:1]:  # the colours are the same at each width
        page.set_viewport_size({"width": width, "height": 900})
        assert violations(page) == [], width
    visit.check()
    page.context.close()
