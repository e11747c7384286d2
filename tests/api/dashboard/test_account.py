"""What the page shows of the key's account at each width: orders, fills, position, and marks on the chart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.api.dashboard.answers import ANSWERS
from tests.api.dashboard.conftest import Open
from tests.support import fake_stream
from tests.support.page import WIDTHS

# Visible elements without children whose text is cut off, or that reach out of their panel.
CUT_OFF = """(panel) => [...panel.querySelectorAll("td, dt, dd, th, h2, button, .number")]
    .filter((node) => node.checkVisibility() && node.textContent && !node.closest(".hidden, thead"))
    .filter((node) => node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).display !== "inline"
        || node.getBoundingClientRect().right > panel.getBoundingClientRect().right)
    .map((node) => `${node.className} ${node.textContent}`)"""

# Pairs of cells of a row whose texts overlap.
COVERED = """(row) => {
    const cells = [...row.cells].filter((cell) => cell.textContent && cell.checkVisibility()).map((cell) => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return [cell.className, range.getBoundingClientRect()];
    });
    const cross = (one, other) => one.left < other.right - 1 && other.left < one.right - 1
        && one.top < other.bottom - 4 && other.top < one.bottom - 4; // lines of text are lower than their boxes
    return cells.flatMap(([name, box], index) =>
        cells.slice(index + 1).filter(([, other]) => cross(box, other)).map(([other]) => `${name} and ${other}`));
}"""

# Whether all of a field is in its cell, where it can be seen.
IN_ITS_CELL = """(field) => {
    const [box, cell] = [field, field.closest("td")].map((node) => node.getBoundingClientRect());
    const seen = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2) === field;
    return seen && box.width >= 50 && box.left >= cell.left && box.right <= cell.right + 1
        && box.top >= cell.top - 1 && box.bottom <= cell.bottom + 1;
}"""


@pytest.fixture
def account(at_width: Page) -> Iterator[Page]:
    """Return the page at each width, with the tab of open orders."""
    at_width.get_by_label("open", exact=True).check()
    expect(row(at_width, "11")).to_be_visible()
    yield at_width
    at_width.get_by_label("open", exact=True).check()


def row(page: Page, order_id: str) -> Locator:
    """Return the row of an order or of its fill."""
    return page.locator("#orders tbody tr").filter(visible=True).filter(has=page.locator(f"td:text-is('{order_id}')"))


def cut_off(page: Page, panel: str) -> list[str]:
    found: list[str] = page.locator(panel).evaluate(CUT_OFF)
    return found


def test_open_orders_have_their_stop_price_and_can_be_edited_in_place(account: Page) -> None:
    stop, iceberg = row(account, "11"), row(account, "12")
    for cell, text in ((".price", "95.00"), (".stop", "95.50"), (".filled", "0 of 5"), (".type", "stop limit")):
        expect(stop.locator(cell)).to_have_text(text)
    for cell, text in ((".filled", "200 of 1,000"), (".average", "98.70"), (".status", "partially filled")):
        expect(iceberg.locator(cell)).to_have_text(text)
    expect(iceberg.locator(".type")).to_have_text("limit, shows 50")
    assert cut_off(account, "#orders") == []
    assert [cells for cells in (order.evaluate(COVERED) for order in (stop, iceberg)) if cells] == []

    iceberg.get_by_role("button", name="edit").click()
    quantity, price = iceberg.get_by_label("new quantity"), iceberg.get_by_label("new price")
    price.press("ArrowUp")
    expect(price).to_have_value("98.75")
    expect(quantity).to_have_value("1000")
    assert [field.evaluate(IN_ITS_CELL) for field in (quantity, price)] == [True, True]
    assert cut_off(account, "#orders") == []
    quantity.press("Escape")
    expect(price).to_have_count(0)


def test_history_has_average_prices_and_reasons(account: Page) -> None:
    account.get_by_label("history", exact=True).check()
    filled, rejected = row(account, "13"), row(account, "14")
    expect(filled.locator(".average")).to_have_text("98.00")
    expect(filled.locator(".status")).to_have_text("filled")
    expect(rejected.locator(".status")).to_have_text("rejected: needs 99,000.00; 8,998.00 available")
    expect(row(account, "11").locator(".stop")).to_have_text("95.50")
    for order in (filled, rejected):
        expect(order.get_by_role("button", name="life of order")).to_be_visible()
        expect(order.get_by_role("button", name="edit")).to_be_hidden()
    assert cut_off(account, "#orders") == []


def test_fills_have_value_and_fee_and_lead_to_the_order(account: Page) -> None:
    account.get_by_label("fills", exact=True).check()
    fill = row(account, "13")
    for cell, text in ((".filled", "10"), (".price", "98.00"), (".value", "980.00"), (".fee", "0.50")):
        expect(fill.locator(cell)).to_have_text(text)
    assert cut_off(account, "#orders") == []
    fill.get_by_role("button", name="life of order 13").click()
    expect(account.locator("#life-any")).to_be_visible()
    account.click("#life-any")


def test_the_position_and_its_gain_also_versus_holding(account: Page) -> None:
    standing = {"rank": 1, "client_id": "ANNA", "equity": 13_000, "balance": 10_000, "holdings": {}, "trades": 1}
    board = [{**standing, "return": 0.0123, "versus_holding": -0.00001}]
    account.evaluate("board => fakeStream.publish('leaderboard', board)", board)
    for name, text in (
        ("account-shares", "30"),
        ("position-average", "99.33"),  # 20 that were given, at 100.00, and 10 bought at 98.00
        ("position-unrealised", "+20.00"),
        ("position-realised", "\u22120.50"),
        ("account-balance", "10,000.00"),
        ("account-equity", "13,000.00"),
        ("position-return", "+1.23 %"),
        ("position-versus", "0.00 %"),
    ):
        expect(account.locator(f"#{name}")).to_have_text(text)
    # A colour says the same as the sign.
    expect(account.locator("#position-unrealised")).to_have_class("number up")
    expect(account.locator("#position-versus")).to_have_class("number")
    assert cut_off(account, "#position") == []


def test_own_orders_and_fills_are_on_the_chart(account: Page) -> None:
    fake_stream.run(account, 2, {"books": 1, "trades": 1, "eachFrame": 1})
    chart = account.locator("#candles-chart")
    expect(chart).to_have_attribute("aria-label", "Candles and volume, with 2 own orders and 1 mark of own fills")
    expect(chart.locator("canvas").first).to_be_visible()


REFUSAL = {"type": "about:blank", "title": "Unavailable", "status": 503, "code": "unavailable", "detail": "it is away"}


@pytest.mark.parametrize("state", ["waiting", "empty", "unavailable"])
def test_own_panels_wait_are_empty_or_unavailable(open_page: Open, state: str) -> None:
    own = ("**/orders?*", "**/fills?*", "**/accounts/ANNA")
    page = open_page(answers={address: answer for address, answer in ANSWERS.items() if "?" not in address})
    for address in own if state != "empty" else own[:2]:
        page.unroute(address)
        if state == "empty":
            page.route(address, lambda route: route.fulfill(json={"data": [], "next_cursor": None}))
        elif state == "unavailable":
            page.route(address, lambda route: route.fulfill(status=503, json=REFUSAL))
        else:
            page.route(address, lambda _route: None)
    page.fill("#key", "key")
    page.click("#key-form button")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for tab, node, what in (("open", "#orders-empty", "your orders"), ("fills", "#fills-empty", "your fills")):
            page.get_by_label(tab, exact=True).check()
            texts = {
                "waiting": f"Waiting for {what}.",
                "empty": "No open orders." if tab == "open" else "No fills in MSFT yet.",
                "unavailable": f"Unavailable: {what}, as it is away.",
            }
            expect(page.locator(node)).to_have_text(texts[state])
            expect(page.locator(node)).to_have_attribute("data-state", state)
            expect(page.locator(node)).to_be_visible()
        expect(page.locator("#position-lack")).to_have_text("" if state == "empty" else state)
        assert cut_off(page, "#orders") == []


@pytest.mark.parametrize("path", ["", "?security=NONE"])
def test_fills_are_asked_for_once_it_is_known_what_is_listed(open_page: Open, path: str) -> None:
    page = open_page(path=path, answers=ANSWERS)
    asked: list[str] = []
    page.route("**/fills?*", lambda route: (asked.append(route.request.url), route.fulfill(json={"data": []})))
    held: list[Route] = []
    page.route("**/securities", lambda route: held.append(route))  # Playwright marks its handlers
    page.goto(page.url.partition("?")[0] + path)
    page.fill("#key", "key")
    page.click("#key-form button")
    expect(page.locator("#account-available")).to_have_text("9,000.00")
    assert held
    assert asked == []
    with page.expect_request("**/fills?*") as first:
        for route in held:
            route.fulfill(json=ANSWERS["**/securities"])
    assert "security_id=MSFT" in first.value.url
