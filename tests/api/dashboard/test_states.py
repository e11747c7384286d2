"""Each panel waits, has nothing, or is unavailable, and never says one in place of another."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.api.dashboard.conftest import Open
from tests.support import fake_stream
from tests.support.page import WIDTHS

# Panels without a word of their own: what they say of each state, by channel.
PANELS = {"trades": "#tape-empty", "candles": "#candles-empty", "book": "#depth-empty"}


def test_what_is_not_known_yet_is_waited_for(open_page: Open) -> None:
    page = open_page(silent=[*PANELS, "pipeline", "leaderboard"])
    fake_stream.run(page, 0, {"books": 0, "trades": 0, "eachFrame": 1})
    for panel in (*PANELS.values(), "#pipeline-empty", "#leaderboard-empty"):
        expect(page.locator(panel)).to_contain_text("Waiting for")
        expect(page.locator(panel)).to_have_attribute("data-state", "waiting")
    expect(page.locator("#ladder-spread")).to_have_text("waiting")
    assert hidden_at_a_width(page, [*PANELS.values(), "#pipeline-empty", "#leaderboard-empty", "#ladder-spread"]) == []


def test_what_is_refused_is_unavailable(open_page: Open) -> None:
    page = open_page(refused={**dict.fromkeys(PANELS, "too many subscriptions"), "pipeline": "it is away"})
    for panel in PANELS.values():
        expect(page.locator(panel)).to_contain_text("Unavailable")
        expect(page.locator(panel)).to_contain_text("too many subscriptions")
    expect(page.locator("#pipeline-empty")).to_contain_text("it is away")
    expect(page.locator("#ladder-spread")).to_have_text("unavailable")
    assert hidden_at_a_width(page, [*PANELS.values(), "#pipeline-empty", "#ladder-spread"]) == []


def test_what_has_nothing_says_so_and_keeps_nothing_of_another_security(page: Page) -> None:
    expect(page.locator("#tape-empty")).to_have_text("No trades yet.")
    expect(page.locator("#candles-empty")).to_have_text("No candles yet: nothing has been traded.")
    expect(page.locator("#depth-legend")).to_contain_text("1 level")
    assert hidden_at_a_width(page, ["#tape-empty", "#candles-empty", "#depth-legend"]) == []
    page.get_by_role("button", name="TSLA").click()
    # The stream of the test knows MSFT only, so no snapshot of TSLA ever comes.
    expect(page.locator("#depth-empty")).to_have_text("Waiting for the order book.")
    expect(page.locator("#depth-legend")).to_be_empty()
    expect(page.locator("#tape-empty")).to_have_text("Waiting for trades.")
    assert hidden_at_a_width(page, ["#tape-empty", "#depth-empty"]) == []


def test_the_page_says_when_the_api_is_down_though_the_stream_goes_on(page: Page) -> None:
    expect(page.locator("#connection-state")).to_have_text("live")
    page.evaluate("setInterval(() => fakeStream.second({ books: 1, trades: 1 }), 500)")
    page.route("**/health/live", lambda route: route.abort())
    page.route("**/leaderboard/history", lambda route: route.abort())
    expect(page.locator("#connection-state")).to_have_text("api down")
    assert hidden_at_a_width(page, ["#connection-state"]) == []
    page.unroute("**/health/live")
    page.unroute("**/leaderboard/history")
    expect(page.locator("#connection-state")).to_have_text("live")


def test_curves_of_the_pipeline_begin_with_the_minutes_before(scripts: Page) -> None:
    before = "2026-01-02T02:59:{:02}.000000Z"
    recent = [{"timestamp": before.format(s), "orders_per_s": s, "trades_per_s": 1} for s in range(60)]
    script = """async (recent) => {
        const { Market } = await import('/static/js/market.js');
        const market = new Market();
        const event = { channel: 'pipeline', timestamp: '2026-01-02T03:00:00Z' };
        market.take({ ...event, data: { orders_per_s: 9, trades_per_s: 2, recent } });
        const update = { orders_per_s: 8, trades_per_s: 1, recent: null };
        market.take({ ...event, timestamp: '2026-01-02T03:00:01Z', data: update });
        return market.figures.value.map((one) => one.orders);
    }"""
    assert scripts.evaluate(script, recent) == [*range(60), 9, 8]


def test_the_curves_of_the_minutes_before_are_drawn_at_each_width(open_page: Open) -> None:
    recent = [{"timestamp": f"2026-01-02T02:{58 + s // 60}:{s % 60:02}Z", "orders_per_s": 5} for s in range(120)]
    page = open_page(recent=[{**one, "trades_per_s": 3} for one in recent])
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        # Two of the three minutes; the axis, which has no blue, is left of them.
        page.wait_for_function(f"() => ({DRAWN})() > 0.5", timeout=20_000)


# The part of the columns of a canvas as wide as its room that have a pixel of the first curve; 0 until it is so wide.
DRAWN = """() => {
    const canvas = document.querySelector('#pipeline-chart canvas');
    const room = document.getElementById('pipeline-chart').clientWidth;
    if (Math.abs(canvas.clientWidth - room) > 1) return 0;
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    let found = 0;
    for (let x = 0; x < width; x += 1)
        for (let y = 0; y < height; y += 1) {
            const [red, , blue] = data.slice(4 * (y * width + x), 4 * (y * width + x) + 3);
            if (blue - red > 100) { found += 1; break; }
        }
    return found / width;
}"""


def hidden_at_a_width(page: Page, nodes: list[str]) -> list[tuple[int, str]]:
    """Return the elements that are hidden, cut off or out of the page at a width."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        out = "(node) => { const box = node.getBoundingClientRect(); return box.left < 0 || box.right > innerWidth; }"
        for node in nodes:
            shown = page.locator(node)
            if not shown.is_visible() or shown.evaluate(out):
                found.append((width, node))
    return found
