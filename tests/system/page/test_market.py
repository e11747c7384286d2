"""The page shows the market as it moves, remembers what was chosen, and says when it is stale."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from tests.support.browser import CUT_OFF, Visit
from tests.support.exchange import Exchange
from tests.support.page import row_of, trade


def test_a_trade_is_on_the_page_as_it_happens(visit: Visit, exchange: Exchange) -> None:
    visit.open()
    trade(exchange, "101.37", quantity=7)
    expect(row_of(visit, "#tape-rows", "▲ 101.37").first).to_contain_text("7")
    expect(visit.page.locator("#quote-last")).to_have_text("101.37")
    expect(row_of(visit, "#picker-rows", "MSFT")).to_contain_text("101.37")
    expect(visit.page.locator("#ladder-last")).to_have_text("101.37")
    expect(visit.page.locator("#connection-age")).to_have_text(re.compile(r"^data (< 1|\d+) s old$"))


def test_another_security_shows_its_own_market(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    expect(row_of(visit, "#tape-rows", "100.00").first).to_be_visible()
    page.get_by_role("button", name="TSLA").click()
    expect(page.locator("#quote-security")).to_have_text("TSLA")
    expect(page.locator("#tape-rows tr")).to_have_count(0)
    expect(page.locator("#tape-empty")).to_be_visible()
    expect(page.locator("#depth-empty")).to_be_visible()


def test_a_reload_keeps_the_key_and_what_was_chosen(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    visit.trade_as(exchange.keys["SINGLE"])
    page.get_by_role("button", name="AAPL").click()
    page.get_by_label("5m").check()
    page.select_option("#theme", "dark")
    page.reload()
    expect(page.locator("#ticket-owner")).to_have_text("SINGLE")
    expect(page.locator("#quote-security")).to_have_text("AAPL")
    expect(page.get_by_label("5m")).to_be_checked()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    kept = page.evaluate("JSON.stringify([location.href, localStorage])")
    assert exchange.keys["SINGLE"] not in kept

    page.click("#key-forget")
    expect(page.locator("#key-form")).to_be_visible()
    expect(page.locator("#orders")).to_be_hidden()
    page.reload()
    expect(page.locator("#key-form")).to_be_visible()


def test_a_page_whose_stream_is_killed_says_stale_and_recovers(browser: Browser, exchange: Exchange) -> None:
    visit = Visit(browser, exchange.url)
    page = visit.open()
    expect(row_of(visit, "#tape-rows", "100.00").first).to_be_visible()
    exchange.kill("streams")
    expect(page.locator("#connection-state")).to_have_text("stale")
    trade(exchange, "102.22", quantity=9)
    expect(page.locator("#connection-state")).to_have_text("live")
    # The snapshot after the reconnection contains the events missed meanwhile.
    expect(row_of(visit, "#tape-rows", "102.22").first).to_be_visible()
    trade(exchange, "102.23", quantity=9)
    expect(row_of(visit, "#tape-rows", "102.23").first).to_be_visible()
    visit.check(forgiven=CUT_OFF)
    page.context.close()
