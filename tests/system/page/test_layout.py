"""At each width, all that a trader needs is in reach, and nothing scrolls sideways."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

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


@pytest.mark.parametrize("width", WIDTHS)
def test_a_trader_does_all_of_it_at_each_width(visit: Visit, exchange: Exchange, width: int) -> None:
    """Place, read the outcome, edit in place, cancel, step through the life: what is pressed is in reach."""
    page = visit.page
    page.set_viewport_size({"width": width, "height": 900})
    visit.open()
    visit.trade_as(exchange.keys["SINGLE"])
    price, better = f"61.{width % 100:02}", f"62.{width % 100:02}"
    enter(visit, quantity="2", price=price)
    expect(page.locator("#order-outcome")).to_contain_text(f"accepted; 2 resting @ {price}")
    order = row_of(visit, "#orders-rows", price)
    expect(order).to_contain_text("0 of 2")

    order.get_by_role("button", name="edit").click()
    row = page.locator("#orders-rows tr:has(input)")
    row.get_by_label("new quantity").fill("5")
    row.get_by_label("new price").fill(better)
    row.get_by_role("button", name="save").click()
    edited = row_of(visit, "#orders-rows", better)
    expect(edited).to_contain_text("0 of 5")
    expect(row_of(visit, "#ladder-bids", better)).to_have_class("own")
    expect(page.locator("#candles-chart")).to_have_attribute("aria-label", re.compile("with 1 own order and"))
    assert wider_than_the_screen(visit) == []
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


def test_at_1440_a_trader_sees_all_that_matters_on_one_screen(visit: Visit, exchange: Exchange) -> None:
    page = visit.page
    page.set_viewport_size({"width": 1440, "height": 900})
    visit.open()
    visit.trade_as(exchange.keys["SINGLE"])
    for panel in ("#ticket", "#order-submit", "#candles", "#ladder", "#orders", "#life", "#position"):
        box = page.locator(panel).bounding_box()
        assert box
        assert box["width"] > 0
        assert box["y"] + box["height"] <= 900, panel


def test_on_a_phone_the_ticket_is_one_tap_away(visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    visit.open()
    expect(page.locator("#order-submit")).not_to_be_in_viewport()
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
