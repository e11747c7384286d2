"""The bar at the top fits at each width, with the longest texts that it can have to show."""

from __future__ import annotations

from playwright.sync_api import Page

WIDTHS = (360, 390, 480, 481, 620, 768, 859, 860, 900, 1023, 1024, 1279, 1280, 1366, 1439, 1440, 1679, 1680, 1920, 2560)
STATES = ("connecting", "live", "stale", "api down")

# Writes the longest texts and looks at once, so that no update of the page comes in between. Returns the elements that
# reach over the right edge, and those that overlap others.
LOOK = """(states) => {
    const write = (id, text) => (document.getElementById(id).textContent = text);
    write("quote-security", "A".repeat(48));
    write("quote-last", "10,000,000.00");
    write("quote-change", "+9,999,999.99 (+99,999.99 %)");
    for (const id of ["bid", "ask", "spread", "high", "low", "volume"]) write(`quote-${id}`, "10,000,000.00");
    write("connection-age", "data 119 min old");
    write("clock", "23:59:59");
    write("day-phase", "closing_auction · volatility · 120 min · 1,000,000 at 10,000,000.00");
    const found = [];
    for (const state of states) {
        document.getElementById("connection").dataset.state = state;
        write("connection-state", state);
        const html = document.documentElement;
        if (html.scrollWidth > innerWidth) found.push([state, "page", html.scrollWidth]);
        const clipped = (node) => node.closest(".facts, .hidden") || !node.checkVisibility();
        for (const node of document.querySelectorAll("header *, #day-phase")) {
            const box = node.getBoundingClientRect();
            if (!clipped(node) && (box.right > innerWidth || box.left < 0))
                found.push([state, node.id || node.className, box.right]);
        }
        const parts = [...document.querySelectorAll("header h1, .quote > *, .facts, .bar-end > *")]
            .filter((node) => node.checkVisibility())
            .map((node) => [node.id || node.className || node.tagName, node.getBoundingClientRect()]);
        const cross = (one, other, from, to) => one[from] < other[to] - 1 && other[from] < one[to] - 1;
        for (const [index, [name, box]] of parts.entries())
            for (const [other, its] of parts.slice(index + 1))
                if (cross(box, its, "left", "right") && cross(box, its, "top", "bottom"))
                    found.push([state, name, other]);
    }
    return found;
}"""


def test_the_bar_fits_at_each_width_whatever_it_says(page: Page) -> None:
    found = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if faults := page.evaluate(LOOK, STATES):
            found[width] = faults
    assert found == {}
