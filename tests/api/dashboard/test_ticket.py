"""The order ticket: what it sends, what it says before, and what it says of the answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.dashboard.answers import ANSWERS, ASK, ORDER
from tests.api.dashboard.conftest import Open


@pytest.fixture
def ticket(at_width: Page) -> Page:
    """Return the page at each width, with a new ticket for MSFT."""
    at_width.unroute("**/orders")
    at_width.locator("#order-form").evaluate("form => (form.reset(), form.dispatchEvent(new Event('input')))")
    at_width.fill("#order-price", ASK)
    at_width.select_option("#order-time", "gtc")
    expect(at_width.locator("#order-submit")).to_have_text(f"Buy 10 MSFT @ {ASK}")
    return at_width


def sent(page: Page) -> list[dict[str, Any]]:
    """Return the list in which orders that the page sends will be."""
    orders: list[dict[str, Any]] = []

    def take(route: Route) -> None:
        orders.append(route.request.post_data_json)
        route.fulfill(status=202, json={"status": "success", "order_id": 7, "client_order_id": None, "message": ""})

    page.route("**/orders", take)
    return orders


def choose(page: Page, name: str) -> None:
    page.locator("#order-form").get_by_label(name, exact=True).check()


def test_each_type_sends_its_own_terms(ticket: Page) -> None:
    orders = sent(ticket)
    submit = ticket.locator("#order-submit")

    def place(expected: dict[str, Any]) -> None:
        count = len(orders)
        submit.click()
        expect(ticket.locator("#order-number")).to_have_text("order 7")
        assert len(orders) == count + 1
        terms = {name: value for name, value in orders[-1].items() if name not in {"client_order_id", "security_id"}}
        assert terms == expected

    place({"type": "limit", "side": "buy", "quantity": 10, "price": ASK, "time_in_force": "gtc", "post_only": False})
    ticket.fill("#order-display-quantity", "2")
    choose(ticket, "Sell")
    iceberg = {"type": "limit", "side": "sell", "quantity": 10, "price": ASK, "post_only": False}
    place({**iceberg, "time_in_force": "gtc", "display_quantity": 2})
    ticket.select_option("#order-time", "gtd")
    ticket.fill("#order-expires", "2030-01-02T03:04:05")
    place({**iceberg, "time_in_force": "gtd", "expires_at": "2030-01-02T03:04:05.000Z", "display_quantity": 2})
    choose(ticket, "Stop")
    ticket.fill("#order-stop-price", "99.50")
    place(
        {"type": "stop", "side": "sell", "quantity": 10, "stop_price": "99.50", "time_in_force": "gtd"}
        | {"expires_at": "2030-01-02T03:04:05.000Z"}
    )
    choose(ticket, "Stop limit")
    ticket.select_option("#order-time", "day")
    stop_limit = {"type": "stop_limit", "side": "sell", "quantity": 10, "price": ASK, "stop_price": "99.50"}
    place({**stop_limit, "time_in_force": "day", "post_only": False})
    choose(ticket, "Market")
    place({"type": "market", "side": "sell", "quantity": 10, "time_in_force": "ioc"})


def test_value_and_most_are_those_of_the_exchange(ticket: Page) -> None:
    # 10 x 100.01 and a fee of 10 bp, rounded up.
    expect(ticket.locator("#order-value")).to_have_text("1,001.11")
    ticket.click("#take-most")
    expect(ticket.locator("#order-quantity")).to_have_value("89")
    expect(ticket.locator("#order-value")).to_have_text("8,909.80")
    choose(ticket, "Sell")
    ticket.click("#take-most")
    expect(ticket.locator("#order-quantity")).to_have_value("25")
    choose(ticket, "Market")
    # At the collar, 10 % below the last price.
    expect(ticket.locator("#order-value")).to_have_text("at least 2,250.00")


def test_arrows_step_by_a_tick_or_a_share(ticket: Page) -> None:
    price = ticket.locator("#order-price")
    price.press("ArrowUp")
    expect(price).to_have_value("100.05")
    price.press("ArrowUp")
    expect(price).to_have_value("100.10")
    price.press("Shift+ArrowDown")
    expect(price).to_have_value("99.60")
    quantity = ticket.locator("#order-quantity")
    quantity.press("ArrowUp")
    expect(quantity).to_have_value("11")
    quantity.press("Shift+ArrowDown")
    expect(quantity).to_have_value("1")
    quantity.press("ArrowDown")
    expect(quantity).to_have_value("1")


def test_a_price_far_from_the_best_one_is_asked_about(ticket: Page) -> None:
    orders = sent(ticket)
    submit = ticket.locator("#order-submit")
    ticket.fill("#order-price", "105.00")
    submit.click()
    expect(ticket.locator("#order-number")).to_have_text("order 7")
    for price, words in (("105.05", "5.0 % above"), ("94.95", "5.1 % below")):
        ticket.fill("#order-price", price)
        submit.click()
        expect(ticket.locator("#order-outcome")).to_contain_text(f"{words} the best price, {ASK}")
        expect(submit).to_have_text(f"Confirm: Buy 10 MSFT @ {price}")
    assert len(orders) == 1
    # Another price is another question; the same one is sent.
    ticket.fill("#order-price", "110.00")
    expect(submit).to_have_text("Buy 10 MSFT @ 110.00")
    submit.click()
    assert len(orders) == 1
    submit.click()
    expect(ticket.locator("#order-number")).to_have_text("order 7")
    assert [order["price"] for order in orders] == ["105.00", "110.00"]


def test_the_price_follows_the_security(ticket: Page) -> None:
    ticket.fill("#order-price", "101.00")
    price = {"bid": 249.9, "ask": 250.1, "last": 250}
    ticket.evaluate("data => fakeStream.publish('price', data, 'snapshot', 'TSLA')", price)
    ticket.get_by_role("button", name="TSLA").click()
    expect(ticket.locator("#order-price")).to_have_value("250.10")
    expect(ticket).to_have_url(re.compile(r"/\?security=TSLA$"))


def test_a_link_names_the_security(open_page: Open) -> None:
    page = open_page(path="/?security=tsla", answers=ANSWERS)
    expect(page.locator("#quote-security")).to_have_text("TSLA")
    expect(page.locator("#notice")).to_be_hidden()
    page = open_page(path="/?security=NONE", answers=ANSWERS)
    expect(page.locator("#quote-security")).to_have_text("MSFT")
    expect(page.locator("#notice")).to_have_text("NONE is not listed here: this is MSFT.")


FATES: list[tuple[dict[str, Any], str]] = [
    ({"status": "pending"}, "… on its way to order entry"),
    ({"status": "new"}, "✓ accepted; 10 resting @ 100.01"),
    ({"status": "new", "type": "stop", "price": None, "stop_price": 105}, "✓ accepted; 10 waiting for 105.00"),
    ({"status": "new", "type": "market", "price": None}, "✓ accepted; 10 waiting for the auction"),
    (
        {"status": "partially_filled", "filled_quantity": 3, "average_price": 100.1},
        "✓ filled 3 @ 100.10 on average; 7 resting @ 100.01",
    ),
    ({"status": "filled", "filled_quantity": 10, "average_price": 100}, "✓ filled 10 @ 100.00 on average"),
    (
        {"status": "cancelled", "filled_quantity": 3, "average_price": 100.1, "reason": "unfilled"},
        "✓ filled 3 @ 100.10 on average; the rest is cancelled: no further orders to trade with at this price",
    ),
    ({"status": "cancelled", "reason": "expired"}, "✕ cancelled: it expired"),
    (
        {"status": "rejected", "reason": "insufficient_funds", "detail": "needs 99,099.00; 9,000.00 available"},
        "✕ rejected: needs 99,099.00; 9,000.00 available",
    ),
    (
        {"status": "rejected", "reason": "position_limit", "detail": "needs 30 shares; 25 allowed"},
        "✕ rejected: the holding would exceed the position limit of this account: needs 30 shares; 25 allowed",
    ),
    (
        {"status": "rejected", "reason": "would_cross"},
        "✕ rejected: it would have traded at once, and it is post only",
    ),
    # A reason that the page does not know yet is shown as it is.
    ({"status": "rejected", "reason": "brand_new_rule"}, "✕ rejected: brand new rule"),
]


def test_an_orders_fate_in_words(scripts: Page) -> None:
    script = """async (order) => {
        const { fateOf } = await import('/static/js/fate.js');
        const { mark, text } = fateOf(order);
        return `${mark} ${text}`;
    }"""
    for changes, words in FATES:
        assert scripts.evaluate(script, {**ORDER, **changes}) == words


def test_what_new_terms_need_more(scripts: Page) -> None:
    script = """async ([order, changed, feeBp]) =>
        (await import('/static/js/order_value.js')).heldMore(order, changed, { last: 100, feeBp })"""
    order = {**ORDER, "quantity": 10, "price": 100, "filled_quantity": 4}
    for changed, fee_bp, needed in (
        ({"quantity": 12}, 0, 200),
        ({"price": "101.00"}, 0, 6),
        ({"quantity": 12, "price": "101.00"}, 0, 8 * 101 - 6 * 100),
        ({"quantity": 12, "price": "50.00"}, 0, 100),  # ten may have been filled by then
        ({"price": "50.00"}, 0, 0),
        ({"quantity": 12}, 10, 200 + 0.20),
    ):
        assert scripts.evaluate(script, [order, changed, fee_bp]) == pytest.approx(needed), changed


def test_what_shares_cost_and_what_was_gained(scripts: Page) -> None:
    fill = {"fee": 0.5}
    fills = [  # newest first, as the exchange gives them
        {**fill, "side": "sell", "quantity": 5, "price": 112},
        {**fill, "side": "buy", "quantity": 10, "price": 108},
    ]
    script = "async ([f, s]) => (await import('/static/js/position.js')).positionOf(f, s)"
    # 10 shares were given, at the reference price of 100.
    found = scripts.evaluate(script, [fills, {"shares": 15, "last": 110, "reference": 100}])
    assert (found["given"], found["average"]) == (10, 104)
    assert found["realised"] == pytest.approx(5 * (112 - 104) - 1.0)
    assert found["unrealised"] == pytest.approx(15 * (110 - 104))
    nothing = scripts.evaluate(script, [[], {"shares": 0, "last": 110, "reference": 100}])
    assert (nothing["average"], nothing["unrealised"], nothing["realised"]) == (None, None, 0)


def test_what_owed_shares_brought_and_where_the_buy_in_is(scripts: Page) -> None:
    fill = {"fee": 0}
    fills = [
        {**fill, "side": "buy", "quantity": 4, "price": 90},
        {**fill, "side": "sell", "quantity": 12, "price": 100},  # two of its own, the others borrowed
        {**fill, "side": "buy", "quantity": 2, "price": 96},
    ]
    script = "async ([f, s]) => (await import('/static/js/position.js')).positionOf(f, s)"
    found = scripts.evaluate(script, [fills, {"shares": -6, "last": 95, "reference": 80}])
    assert (found["given"], found["average"]) == (0, 100)
    assert found["realised"] == pytest.approx(2 * (100 - 96) + 4 * (100 - 90))
    assert found["unrealised"] == pytest.approx(6 * (100 - 95))

    script = """async ([account, prices]) =>
        (await import('/static/js/position.js')).buyInPrice(account, "TSLA", (id) => prices[id] ?? null)"""
    account = {"balance": 3_000, "held": 200, "collateral": 2_100, "borrowed": {"TSLA": 10, "MSFT": 4}}
    # 125 % of 10 x 184 + 4 x 100 is 2,800: its cash, less what its orders hold.
    assert scripts.evaluate(script, [account, {"MSFT": 100}]) == pytest.approx(184)
    # An order that returns shares holds 1,500 of it, so that the collateral alone counts: 2,100.
    assert scripts.evaluate(script, [{**account, "held": 1_500}, {"MSFT": 100}]) == pytest.approx((1_680 - 400) / 10)
    assert scripts.evaluate(script, [account, {}]) is None
    assert scripts.evaluate(script, [{**account, "borrowed": {}}, {}]) is None
