"""The page on a stream that the test makes: it paints once a frame and does not grow in an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from playwright.sync_api import Page, expect

from tests.api.dashboard.answers import PRICES
from tests.api.dashboard.conftest import Open, answer_with
from tests.support import fake_stream
from tests.support.page import WIDTHS

THIN = {"books": 1, "trades": 1, "eachFrame": 30}
LIVELY = {"books": 5, "trades": 2, "eachFrame": 1}

# Each would do something if it became an element.
NAMES = ("<script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 1'>", "<b>bold</b>&lt;")


def test_an_hour_open_holds_what_a_quarter_of_it_held(page: Page) -> None:
    scales = fake_stream.Scales(page)
    fake_stream.run(page, 900, THIN)
    before = scales.weigh()
    fake_stream.run(page, 2_700, THIN)
    after = scales.weigh()
    # 2,700 seconds of events that each left something would be thousands.
    assert after.nodes <= before.nodes * 1.1
    assert after.listeners <= before.listeners * 1.1
    # Candles of the chart are cut back at 900, so between two looks there may be half as many more of them.
    assert after.heap_bytes <= before.heap_bytes * 1.2
    assert after.heap_bytes < 20_000_000


def test_the_change_of_a_day_is_since_its_first_price(open_page: Open) -> None:
    now = datetime.now(UTC)
    figures = ((25, 50, 50, 9), (3, 110, 120, 1), (2, 120, 90, 2), (0, 90, 100, 3))
    candles = [
        {
            "start": (now - timedelta(hours=hours)).isoformat(),
            "open": first,
            "high": max(first, last),
            "low": min(first, last),
            "close": last,
            "volume": volume,
        }
        for hours, first, last, volume in figures
    ]
    page = open_page(answers={"**/candles/MSFT?*": {"data": candles}})
    page.evaluate("data => fakeStream.publish('price', data, 'snapshot')", PRICES)
    expect(page.locator("#quote-change")).to_have_text("\N{MINUS SIGN}10.00 (\N{MINUS SIGN}9.09 %)")
    for name, shown in (("high", "120.00"), ("low", "90.00"), ("volume", "6")):
        expect(page.locator(f"#quote-{name}")).to_have_text(shown)


def test_all_events_within_a_frame_are_painted_once(page: Page) -> None:
    fake_stream.run(page, 5, LIVELY)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        fake_stream.run(page, 1, LIVELY)
        asked = page.evaluate(
            """() => {
                const before = fakeStream.framesAsked;
                for (let gone = 0; gone < 100; gone += 1) fakeStream.second({ books: 10, trades: 5 });
                return fakeStream.framesAsked - before;
            }"""
        )
        assert asked <= 1, width


def test_nothing_moves_while_the_market_does(page: Page) -> None:
    fake_stream.run(page, 20, LIVELY)
    page.evaluate(
        """() => {
            window.shifted = [];
            new PerformanceObserver((list) => {
                for (const shift of list.getEntries())
                    window.shifted.push([shift.value, ...shift.sources.map((source) => source.node?.parentNode?.id)]);
            }).observe({ type: "layout-shift" });
        }"""
    )
    fake_stream.run(page, 120, LIVELY)
    assert page.evaluate("window.shifted.filter(([value]) => value > 0.001)") == []


# Google counts up to 0.1 as good.
MOST_SHIFT = 0.02
SHIFTS = """() => new Promise((done) => {
    let sum = 0;
    new PerformanceObserver((list) => {
        for (const shift of list.getEntries()) if (!shift.hadRecentInput) sum += shift.value;
    }).observe({ type: "layout-shift", buffered: true });
    requestAnimationFrame(() => setTimeout(() => done(sum), 100));
})"""


def test_loading_moves_nothing_at_any_width(open_page: Open) -> None:
    for width in WIDTHS:
        page = open_page(viewport={"width": width, "height": 900})
        fake_stream.run(page, 5, LIVELY)
        assert page.evaluate(SHIFTS) < MOST_SHIFT, width


def test_names_of_other_clients_are_shown_as_text(page: Page) -> None:
    standing = {"equity": 1, "balance": 1, "holdings": {}, "trades": 0, "return": None, "versus_holding": 0.0123}
    board = [{"rank": rank, "client_id": name, **standing} for rank, name in enumerate(NAMES, start=1)]
    pipeline = {
        "queues": [{"name": NAMES[1], "depth": 1, "rate_per_s": 1, "consumers": 1}],
        "stages": [{"stage": NAMES[0], "p50_ms": 1, "p99_ms": 1}],
        "dead_letters": 0,
        "orders_per_s": 1,
        "trades_per_s": 1,
        "flower": "javascript:window.hacked = 1",
    }
    order = {
        "order_id": 1,
        "security_id": NAMES[2],
        "side": "buy",
        "type": NAMES[0],
        "time_in_force": "gtc",
        "post_only": False,
        "price": 1,
        "filled_quantity": 0,
        "quantity": 1,
        "status": "new",
        "reason": NAMES[1],
        "created_at": "2026-01-02T03:04:05.000000Z",
    }
    events = {
        "**/whoami": {"client_id": NAMES[1], "role": "client", "read_only": False},
        "**/orders?*": {"data": [order], "next_cursor": None},
    }
    for address, content in events.items():
        page.route(address, partial(answer_with, content))
    page.evaluate(
        "events => events.forEach(([channel, data]) => fakeStream.publish(channel, data))",
        [
            ["leaderboard", board],
            ["pipeline", pipeline],
        ],
    )
    for place, name in enumerate(NAMES):
        expect(page.locator("#leaderboard-rows tr").nth(place)).to_contain_text(name)
        expect(page.locator("#leaderboard-rows tr").nth(place)).to_contain_text("+1.23 %")
    expect(page.locator("#pipeline-queue-rows th")).to_have_text(NAMES[1])
    expect(page.locator("#pipeline-flower")).to_be_hidden()
    page.fill("#key", "unknown")
    page.click("#key-form button")
    expect(page.locator("#ticket-owner")).to_have_text(NAMES[1])
    row = page.locator("#orders-rows tr")
    for name in NAMES:
        expect(row).to_contain_text(name.replace("_", " "))
    assert page.locator("main :is(script, img, b:not(.legend b))").count() == 0
    assert page.evaluate("window.hacked") is None
