"""Orders are placed on the page, shown in the book, and cancelled; errors stand next to their fields."""

from __future__ import annotations

from decimal import Decimal

from playwright.sync_api import expect

from bots.client import Client
from bots.contract import LimitOrder
from tests.support.browser import Visit
from tests.support.exchange import Exchange
from tests.support.page import enter, row_of


def test_an_order_of_the_ticket_is_in_the_book_and_can_be_cancelled(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    visit.trade_as(exchange.keys["SINGLE"])
    enter(visit, quantity="12", price="97.31")
    expect(page.locator("#order-outcome")).to_contain_text("accepted; 12 resting @ 97.31")
    level = row_of(visit, "#ladder-bids", "97.31")
    expect(level).to_contain_text("12")
    expect(level).to_have_class("own")
    order = row_of(visit, "#orders-rows", "97.31")
    expect(order).to_contain_text("buy")
    expect(page.locator("#account-available")).to_have_text("8,832.28")

    order.get_by_role("button", name="cancel").click()
    expect(order).to_have_count(0)
    expect(level).to_have_count(0)
    page.get_by_label("history", exact=True).check()
    expect(order).to_contain_text("cancelled: at your request")
    expect(page.locator("#account-available")).to_have_text("10,000.00")
    page.get_by_label("open", exact=True).check()


def test_a_price_of_the_book_goes_into_the_ticket(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    visit.trade_as(exchange.keys["SINGLE"])
    enter(visit, quantity="5", price="58.20")
    level = row_of(visit, "#ladder-bids", "58.20")
    expect(level).to_be_visible()
    page.fill("#order-price", "1")
    level.click()
    expect(page.locator("#order-price")).to_have_value("58.20")
    expect(page.locator("#order-submit")).to_have_text("Buy 5 MSFT @ 58.20")
    row_of(visit, "#orders-rows", "58.20").get_by_role("button", name="cancel").click()
    expect(level).to_have_count(0)


def test_an_error_is_shown_next_to_its_field(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    # A refusal is an ordinary answer, but the browser logs it as an error.
    refused = "Failed to load resource: the server responded with a status of"
    page.fill("#key", "no such key!")
    page.click("#key-form button")
    expect(page.locator("#key-error")).to_contain_text("this is not a key")
    page.fill("#key", "sx_unknown")
    page.click("#key-form button")
    expect(page.locator("#key-error")).to_contain_text("does not know this key")
    visit.trade_as(exchange.keys["SINGLE"])
    enter(visit, quantity="many", price="100.001")
    for field in ("quantity", "price"):
        expect(page.locator(f"#error-{field}")).not_to_be_empty()
        expect(page.locator(f"#order-{field}")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#order-quantity")).to_be_focused()
    enter(visit, quantity="1", price="1.00")
    expect(page.locator("#order-outcome")).to_contain_text("accepted; 1 resting @ 1.00")
    expect(page.locator("#error-price")).to_be_empty()
    page.get_by_role("button", name="cancel all").click()
    expect(page.locator("#orders-empty")).to_be_visible()
    visit.complaints = [text for text in visit.complaints if not text.startswith(refused)]


def test_a_key_that_only_reads_sees_orders_and_places_none(visit: Visit, exchange: Exchange) -> None:
    single = Client(exchange.url, exchange.keys["SINGLE"])
    reader = single.make_key("SINGLE", read_only=True).api_key
    placed = single.place(LimitOrder(security_id="MSFT", side="buy", quantity=1, price=Decimal("55.55")))
    page = visit.open()
    page.fill("#key", reader)
    page.click("#key-form button")
    order = row_of(visit, "#orders-rows", "55.55")
    expect(order).to_be_visible()
    expect(order.get_by_role("button", name="cancel")).to_be_hidden()
    expect(page.locator("#order-form")).to_be_hidden()
    expect(page.locator("#ticket-hint")).to_have_text("This key may only read.")
    single.cancel("MSFT", placed.order_id)
    expect(order).to_have_count(0)
