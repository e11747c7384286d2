"""The page of a running exchange in a real browser: it shows, trades, remembers, and says when it is stale."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import requests
from playwright.sync_api import Browser, Locator, expect
from sqlalchemy import text

from bots.client import Client
from bots.contract import Accepted, LimitOrder
from bots.errors import Problem
from db.connect import Database
from tests.support.browser import CUT_OFF, Visit, running_browser, violations
from tests.support.databases import renew_clearing_data, renew_market_data
from tests.support.exchange import Exchange, running_exchange

expect.set_options(timeout=20_000)


@pytest.fixture
def databases(_databases: tuple[Database, Database]) -> tuple[Database, Database]:
    """Return the databases of the running exchange."""
    return _databases


@pytest.fixture(scope="module")
def exchange(_databases: tuple[Database, Database]) -> Iterator[Exchange]:
    """Run one exchange for all tests of this module; each trades at its own prices."""
    renew_clearing_data(_databases[0])
    renew_market_data(_databases[1])
    with running_exchange() as running:
        # A market without trades has little to show.
        trade(running, "100.00")
        running.wait_until(lambda: requests.get(f"{running.url}/life", timeout=20).ok, "the trade is stored")
        yield running
    # Tests that use the databases as they are expect five securities.
    renew_clearing_data(_databases[0])
    renew_market_data(_databases[1])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, exchange: Exchange) -> Iterator[Visit]:
    """Return a visit, and check at the end that the browser complained of nothing."""
    visit = Visit(browser, exchange.url)
    yield visit
    visit.check()
    visit.page.context.close()


def trade(exchange: Exchange, price: str, quantity: int = 3) -> None:
    """Let two clients trade at a price that no other test uses."""
    for client_id, side in (("FLOOD", "sell"), ("RETAIL", "buy")):
        Client(exchange.url, exchange.keys[client_id]).place(
            LimitOrder(security_id="MSFT", side=side, quantity=quantity, price=Decimal(price))
        )


def row_of(visit: Visit, rows: str, text: str) -> Locator:
    """Return the rows of a table that contain a text."""
    return visit.page.locator(f"{rows} tr", has_text=text)


def enter(visit: Visit, *, quantity: str, price: str) -> None:
    """Fill in the ticket and press its button, twice where the price is far from the best one."""
    visit.page.fill("#order-quantity", quantity)
    visit.page.fill("#order-price", price)
    submit = visit.page.locator("#order-submit")
    submit.click()
    if submit.inner_text().startswith("Confirm"):
        submit.click()


# -- what it shows -------------------------------------------------------------------------------------------------


def test_a_trade_is_on_the_page_as_it_happens(visit: Visit, exchange: Exchange) -> None:
    visit.open()
    trade(exchange, "101.37", quantity=7)
    expect(row_of(visit, "#tape-rows", "▲ 101.37").first).to_contain_text("7")
    expect(visit.page.locator("#quote-last")).to_have_text("101.37")
    expect(row_of(visit, "#picker-rows", "MSFT")).to_contain_text("101.37")
    expect(visit.page.locator("#ladder-last")).to_have_text("101.37")
    assert re.fullmatch(r"data (< 1|\d+) s old", visit.page.locator("#connection-age").inner_text())


WIDTHS = (390, 1024, 1280, 1440, 1920)


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


def test_another_security_shows_its_own_market(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    expect(row_of(visit, "#tape-rows", "100.00").first).to_be_visible()
    page.get_by_role("button", name="TSLA").click()
    expect(page.locator("#quote-security")).to_have_text("TSLA")
    expect(page.locator("#tape-rows tr")).to_have_count(0)
    expect(page.locator("#tape-empty")).to_be_visible()
    expect(page.locator("#depth-empty")).to_be_visible()


# -- trading -------------------------------------------------------------------------------------------------------


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


# -- what becomes of an order ----------------------------------------------------------------------------------------


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


def test_an_edit_that_is_refused_says_why(visit: Visit, exchange: Exchange) -> None:
    page = visit.open()
    visit.trade_as(exchange.keys["SINGLE"])
    enter(visit, quantity="2", price="57.40")
    order = row_of(visit, "#orders-rows", "57.40")
    order.get_by_role("button", name="edit").click()
    row = page.locator("#orders-rows tr:has(input)")
    row.get_by_label("new quantity").fill("900000")
    row.get_by_label("new quantity").press("Enter")
    expect(page.locator("#orders-fault")).to_contain_text("keeps its terms: not enough cash")
    expect(order).to_contain_text("0 of 2")
    order.get_by_role("button", name="edit").click()
    row.get_by_label("new quantity").press("Escape")
    expect(page.locator("#orders-rows input")).to_have_count(0)
    order.get_by_role("button", name="cancel").click()
    expect(order).to_have_count(0)


# -- what it remembers ---------------------------------------------------------------------------------------------


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


# -- when something is away ----------------------------------------------------------------------------------------


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


# -- accessibility --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, exchange: Exchange, theme: str) -> None:
    visit = Visit(browser, exchange.url, color_scheme=theme)
    page = visit.open()
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    expect(page.locator("#leaderboard-rows tr").first).to_be_visible()
    assert theme == "dark" or violations(page) == []
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


# -- many securities ------------------------------------------------------------------------------------------------


def test_200_securities_are_listed_traded_and_shown(
    exchange: Exchange, visit: Visit, databases: tuple[Database, Database]
) -> None:
    page = visit.open()
    rows = page.locator("#picker-rows tr")
    expect(rows).to_have_count(5)
    expect(page.locator("#picker-find")).to_be_hidden()
    names = [f"S{number}" for number in range(195)]
    admin = Client(exchange.url, exchange.keys["admin"])
    admin.ask("PATCH", "/accounts/FLOOD", dict, content={"limits": {"short_limit": 1}})

    def list_security(name: str) -> None:
        terms = {"security_id": name, "reference_price": 1}
        try:
            Client(exchange.url, exchange.keys["admin"]).post("/securities", terms, dict)
        except Problem as problem:
            if problem.code != "security_exists":  # the client has asked again, because the answer took too long
                raise

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(list_security, names))
    exchange.wait_until(lambda: len(admin.securities()) == 200, "all are listed")
    with databases[0].snapshot() as tx:
        shards = tx.execute(text("SELECT count(*) FROM securities GROUP BY shard")).scalars().all()
    assert max(shards) - min(shards) <= 1
    for client_id, side in (("FLOOD", "sell"), ("RETAIL", "buy")):
        orders = [LimitOrder(security_id=name, side=side, quantity=1, price=Decimal(1)) for name in names]
        answers = Client(exchange.url, exchange.keys[client_id]).place_all(orders)
        assert all(isinstance(one, Accepted) for one in answers), answers
    # The page, which was open before, shows each of them with its trade.
    expect(rows).to_have_count(200)
    expect(page.locator("#picker-rows td:nth-child(2)", has_text=re.compile(r"^1\.00$"))).to_have_count(195)
    page.fill("#picker-find", "s19")
    expect(rows).to_have_count(6)
    page.get_by_role("button", name="S194").click()
    expect(page.locator("#quote-security")).to_have_text("S194")
    expect(row_of(visit, "#tape-rows", "1.00").first).to_be_visible()
    expect(page.locator("#quote-volume")).to_have_text("1")
    page.fill("#picker-find", "")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if folder := os.environ.get("PICTURES"):
            page.screenshot(path=f"{folder}/200-securities-{width}.png", full_page=width < 500)
    audit = exchange.audit()
    assert audit.passed, audit
