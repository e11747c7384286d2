"""At each width, all that a trader needs is in reach, and nothing scrolls sideways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, expect

from bots.client import Client
from bots.contract import LimitOrder
from tests.support.browser import Visit
from tests.support.exchange import Exchange
from tests.support.page import WIDTHS, enter, row_of


def test_no_width_scrolls_sideways(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    for key in (None, exchange.keys["SINGLE"]):
        if key is not None:
            visit.trade_as(key)
        for width in (360, *WIDTHS, 859, 860, 1279, 2560):
            page.set_viewport_size({"width": width, "height": 900})
            assert wider_than_the_screen(visit) == [], width


@pytest.fixture(scope="module")
def trader(browser: Browser, exchange: Exchange) -> Iterator[Visit]:
    """Return a visit with the key of an account that no other test uses, for all widths."""
    account = Client(exchange.url, exchange.keys["admin"]).open_account("WIDE")
    visit = Visit(browser, exchange.url)
    visit.open()
    visit.trade_as(account.api_key)
    yield visit
    visit.check()
    visit.page.context.close()


@pytest.fixture(params=WIDTHS)
def width(trader: Visit, request: pytest.FixtureRequest) -> int:
    """Set that page to each width."""
    found: int = request.param
    trader.page.set_viewport_size({"width": found, "height": 900})
    return found


def test_a_trader_does_all_of_it_at_each_width(trader: Visit, width: int) -> None:
    """Place, read the outcome, edit in place, cancel, step through the life: what is pressed is in reach."""
    page = trader.page
    price, better = f"61.{width % 100:02}", f"62.{width % 100:02}"
    enter(trader, quantity="2", price=price)
    expect(page.locator("#order-outcome")).to_contain_text(f"accepted; 2 resting @ {price}")
    order = row_of(trader, "#orders-rows", price)
    expect(order).to_contain_text("0 of 2")

    order.get_by_role("button", name="edit").click()
    row = page.locator("#orders-rows tr:has(input)")
    row.get_by_label("new quantity").fill("5")
    row.get_by_label("new price").fill(better)
    row.get_by_role("button", name="save").click()
    edited = row_of(trader, "#orders-rows", better)
    expect(edited).to_contain_text("0 of 5")
    expect(row_of(trader, "#ladder-bids", better)).to_have_class("own")
    expect(page.locator("#candles-chart")).to_have_attribute("aria-label", re.compile("with 1 own order and"))
    assert wider_than_the_screen(trader) == []
    for button in edited.get_by_role("button").filter(visible=True).all():
        box = button.bounding_box()
        assert box
        assert 0 <= box["x"] < box["x"] + box["width"] <= width

    edited.get_by_role("button", name="life").click()
    expect(page.locator("#life-fate")).to_contain_text(f"accepted; 5 resting @ {better}")
    title = page.locator("#step-title")
    expect(title).to_have_text("In short")
    page.click("#step-on")
    expect(title).to_contain_text("HTTP works")
    page.click("#step-back")
    expect(title).to_have_text("In short")

    edited.get_by_role("button", name="cancel").click()
    expect(edited).to_have_count(0, timeout=60_000)


def test_a_filled_and_a_rejected_order_at_each_width(trader: Visit, exchange: Exchange, width: int) -> None:
    page = trader.page
    price = f"104.{width % 100:02}"
    seller = Client(exchange.url, exchange.keys["FLOOD"])
    seller.place(LimitOrder(security_id="MSFT", side="sell", quantity=1, price=Decimal(price)))
    enter(trader, quantity="1", price=price)
    outcome, fate, count = (page.locator(f"#{name}") for name in ("order-outcome", "life-fate", "step-count"))
    expect(outcome).to_contain_text(f"filled 1 @ {price} on average")
    page.get_by_label("fills", exact=True).check()
    fill = row_of(trader, "#fills-rows", price)
    fill.get_by_role("button", name="life of order").click()
    expect(fate).to_contain_text(f"filled 1 @ {price} on average")
    expect(page.locator("#step-lines")).to_contain_text("against DTCC")
    page.click("#step-play")  # in slow motion
    expect(count).to_contain_text("1 of")
    expect(page.locator("#life-rows .span.now")).to_be_visible()
    expect(count).to_contain_text("2 of")
    page.click("#step-play")

    enter(trader, quantity="990", price="100.00")
    expect(outcome).to_contain_text("rejected: needs 99,000.00; ")
    page.click("#order-life")
    expect(fate).to_contain_text("rejected: needs 99,000.00; ")
    expect(page.locator("#step-lines")).to_contain_text("the log has no row of it")
    page.get_by_label("history", exact=True).check()
    rejected = row_of(trader, "#orders-rows", "0 of 990").first
    expect(rejected).to_contain_text("rejected: needs 99,000.00; ")
    expect(row_of(trader, "#orders-rows", price).locator(".average")).to_have_text(price)
    for part in (outcome, fate, rejected.locator(".status")):
        assert part.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    assert wider_than_the_screen(trader) == []
    page.get_by_label("open", exact=True).check()


def test_at_1440_a_trader_sees_all_that_matters_on_one_screen(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    visit.trade_as(exchange.keys["SINGLE"])
    enter(visit, quantity="990", price="100.00")
    page.click("#order-life")
    expect(page.locator("#life-fate")).to_contain_text("rejected")
    # Also in a window that was larger before.
    for width, height in ((1920, 1080), (1024, 900), (1440, 900)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(
            """() => ["candles", "depth", "pipeline"].every((name) => {
                const room = document.getElementById(`${name}-chart`);
                const box = room.firstElementChild?.getBoundingClientRect(); // an empty book has no curve
                return !box || (box.height <= room.clientHeight + 1 && box.width <= room.clientWidth + 1);
            })"""
        )
    for panel in ("#ticket", "#order-submit", "#candles", "#ladder", "#orders", "#life", "#life-fate", "#position"):
        box = page.locator(panel).bounding_box()
        assert box
        assert box["width"] > 0
        assert box["y"] + box["height"] <= 900, panel


def test_on_a_phone_the_ticket_is_one_tap_away(visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    visit.open()
    expect(page.locator("#order-submit")).not_to_be_in_viewport()
    for part in ("#picker", "#leaderboard"):  # from the top and from the end of the page
        page.locator(part).scroll_into_view_if_needed()
        page.get_by_role("link", name="Trade").click()
        expect(page.locator("#ticket-title")).to_be_in_viewport()
        expect(page.locator("#order-quantity")).to_be_in_viewport()


def wider_than_the_screen(visit: Visit) -> list[str]:
    """Return elements that reach over the right edge, including the page itself."""
    found: list[str] = visit.page.evaluate(
        """() => [...document.querySelectorAll("html, header *, main *, footer *, nav *")]
            .filter((node) => node.checkVisibility() && !node.closest(".hidden, .scroll, .drawing"))
            .filter((node) => Math.max(node.getBoundingClientRect().right, node === document.documentElement
                && node.scrollWidth) > innerWidth + 1)
            .map((node) => node.outerHTML.slice(0, 80))"""
    )
    return found
