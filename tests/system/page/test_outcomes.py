"""The page shows what becomes of an order: why it is rejected, how it is filled, what it leaves in the account."""

from __future__ import annotations

import re
from decimal import Decimal

from playwright.sync_api import expect
from sqlalchemy import text

from bots.client import Client
from bots.contract import LimitOrder
from db.connect import Database
from tests.support.browser import Visit
from tests.support.exchange import Exchange
from tests.support.page import enter, row_of


def test_a_rejected_order_says_what_it_needs_and_has_a_life(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    visit.trade_as(exchange.keys["SINGLE"])
    expect(page.locator("#account-available")).to_have_text(re.compile("[0-9]"))
    available = page.locator("#account-available").inner_text()
    enter(visit, quantity="990", price="100.00")
    outcome = page.locator("#order-outcome")
    expect(outcome).to_contain_text(f"rejected: needs 99,000.00; {available} available")
    page.click("#order-life")
    expect(page.locator("#life-fate")).to_contain_text("rejected: needs 99,000.00")
    expect(page.locator("#step-lines")).to_contain_text("the log has no row of it")
    page.get_by_label("history", exact=True).check()
    expect(row_of(visit, "#orders-rows", "0 of 990").first).to_contain_text("rejected: needs 99,000.00")
    page.get_by_label("open", exact=True).check()


def test_a_filled_order_is_followed_from_http_to_the_ledger(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    visit.trade_as(exchange.keys["SINGLE"])
    for quantity, price in ((1, "103.10"), (2, "103.20")):
        Client(exchange.url, exchange.keys["FLOOD"]).place(
            LimitOrder(security_id="MSFT", side="sell", quantity=quantity, price=Decimal(price))
        )
    expect(row_of(visit, "#ladder-asks", "103.20")).to_be_visible()
    enter(visit, quantity="3", price="103.20")
    expect(page.locator("#order-outcome")).to_contain_text("filled 3 @ 103.17 on average")
    page.click("#order-life")
    expect(page.locator("#life-fate")).to_contain_text("filled 3 @ 103.17 on average")
    lines = page.locator("#step-lines")
    expect(lines).to_contain_text("SINGLE +1 MSFT, \u2212103.10 cash against DTCC")
    # It goes on by itself, and can be stopped.
    count, play = page.locator("#step-count"), page.locator("#step-play")
    play.click()
    expect(play).to_have_text("❚❚ pause")
    expect(count).to_contain_text("2 of")
    play.click()
    expect(play).to_have_text("▶ step by step")
    page.click("#order-life")  # from the beginning
    expect(count).to_be_empty()
    expect(lines).to_contain_text("against DTCC")
    shown = ""
    total = page.evaluate("document.querySelectorAll('#life-rows .span').length")
    for number in range(1, total + 1):
        page.click("#step-on")
        expect(count).to_have_text(f"{number} of {total}")
        shown += page.locator("#step-title").inner_text() + lines.inner_text() + "\n"
    for part in (
        "POST /orders: buy 3 MSFT, limit @ 103.20, gtc.",
        "waits in the queue order_entry",
        "shard",
        '["place",',
        "waits in the queue matching.",
        "1 @ 103.10",
        "2 @ 103.20",
        "waits in the queue order_execution",
        "against DTCC",
        "The order is filled, 3 @ 103.17 on average now.",
    ):
        assert part in shown, part

    page.get_by_label("fills", exact=True).check()
    fill = row_of(visit, "#fills-rows", "103.20").first
    expect(fill).to_contain_text("206.40")
    fill.get_by_role("button", name="life of order").click()
    expect(page.locator("#account-shares")).to_have_text("1,003")
    expect(page.locator("#candles-chart")).to_have_attribute("aria-label", re.compile("[1-9] marks? of own fills"))
    expect(page.locator("#position-average")).to_have_text("100.01")
    expect(page.locator("#position-unrealised")).to_have_text(re.compile(r"^\+"))
    page.get_by_label("open", exact=True).check()


def test_a_short_seller_sees_what_it_owes_and_how_far_the_buy_in_is(visit: Visit, exchange: Exchange) -> None:
    admin = Client(exchange.url, exchange.keys["admin"])
    short, long = (Client(exchange.url, admin.open_account(name).api_key) for name in ("BEAR", "BULL"))
    admin.ask("PATCH", "/accounts/BEAR", dict, content={"limits": {"short_limit": 20}})
    for client, side in ((short, "sell"), (long, "buy")):
        client.place(LimitOrder(security_id="TSLA", side=side, quantity=10, price=Decimal(100)))
    page = visit.open("/?security=TSLA")
    visit.trade_as(short.key or "")
    expect(page.locator("#position-owed")).to_have_text("10")
    expect(page.locator("#account-shares")).to_have_text("0")
    expect(page.locator("#position-average")).to_have_text("100.00")
    expect(page.locator("#position-collateral")).to_have_text("1,500.00")
    # 125 % of 10 x 880.00 is all of the cash: 10,000 and the 1,000 of the sale.
    expect(page.locator("#position-buy-in")).to_have_text("880.00 (+780.0 %)")
    page.get_by_label("Sell", exact=True).check()
    enter(visit, quantity="11", price="100.00")
    refused = "rejected: the account would owe more shares than its limit allows: needs 21 shares; 20 allowed"
    expect(page.locator("#order-outcome")).to_contain_text(refused)


def test_an_edit_that_is_refused_says_why(
    visit: Visit, exchange: Exchange, databases: tuple[Database, Database]
) -> None:
    page = visit.open()
    visit.trade_as(exchange.keys["SINGLE"])
    enter(visit, quantity="2", price="57.40")
    order = row_of(visit, "#orders-rows", "57.40")
    order.get_by_role("button", name="edit").click()
    row = page.locator("#orders-rows tr:has(input)")
    row.get_by_label("new quantity").fill("900000")
    row.get_by_label("new quantity").press("Enter")
    expect(page.locator("#orders-fault")).to_contain_text("more; ")
    with databases[0].snapshot() as tx:  # the page says what order entry found
        needed, available = tx.execute(
            text("SELECT needed, available FROM denials ORDER BY denied_us DESC LIMIT 1")
        ).one()
    words = f"keeps its terms: needs {needed / 100:,.2f} more; {available / 100:,.2f} available."
    expect(page.locator("#orders-fault")).to_contain_text(words)
    expect(order).to_contain_text("0 of 2")
    order.get_by_role("button", name="edit").click()
    row.get_by_label("new quantity").press("Escape")
    expect(page.locator("#orders-rows input")).to_have_count(0)
    order.get_by_role("button", name="cancel").click()
    expect(order).to_have_count(0)
