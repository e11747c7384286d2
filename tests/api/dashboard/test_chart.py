"""The price chart: idle time between candles, and an axis that no odd print distorts and that never goes below zero."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support import fake_stream
from tests.support.page import WIDTHS

MARGINS = {"top": 0.08, "bottom": 0.24}


def price_range(page: Page, candles: list[dict[str, float]]) -> dict[str, float] | None:
    """Return what the axis shows of these candles, without its margins."""
    script = "async ([c, m]) => (await import('/static/js/candle_rows.js')).priceRange(c, m)"
    found: dict[str, float] | None = page.evaluate(script, [candles, MARGINS])
    return found


def axis(page: Page, candles: list[dict[str, float]]) -> tuple[float, float]:
    """Return the lowest and the highest price on the axis, margins included."""
    found = price_range(page, candles)
    assert found is not None
    height = (found["high"] - found["low"]) / (1 - MARGINS["top"] - MARGINS["bottom"])
    return found["low"] - MARGINS["bottom"] * height, found["high"] + MARGINS["top"] * height


def candle(opened: float, close: float | None = None) -> dict[str, float]:
    close = opened if close is None else close
    return {"open": opened, "high": max(opened, close), "low": min(opened, close), "close": close}


def test_the_price_axis(scripts: Page) -> None:
    steady = [candle(100 + index % 10 / 100) for index in range(60)]
    cases: dict[str, tuple[list[dict[str, float]], float, float]] = {
        # candles, the least that may be on the axis, the most
        "steady": (steady, 99.8, 100.3),
        "one price only": ([candle(100.0)], 99.8, 100.2),
        "a first print that no one meant": ([candle(1909.0, 100.0), *steady], 99.0, 101.0),
        "a single low print": ([*steady, candle(100.0, 0.01), *steady], 99.0, 101.0),
        "a wide market near zero": ([candle(0.01), candle(0.5), candle(0.9)], 0.0, 1.5),
        "a penny": ([candle(0.01)], 0.0, 0.02),
        # The last price is always on the axis, wherever it is.
        "a jump just now": ([*steady, candle(100.0, 120.0)], 90.0, 122.5),
    }
    for name, (candles, least, most) in cases.items():
        low, high = axis(scripts, candles)
        assert least - 1e-9 <= low < candles[-1]["close"] + 1e-9 < high <= most, name
    assert price_range(scripts, []) is None


@pytest.mark.parametrize(
    ("starts", "until", "expected"),
    [
        ([0, 1, 2], 2, [0, 1, 2]),
        ([0, 3], 5, [0, None, None, 3, None, None]),
        # A long idle time is shortened, and what is before it stays.
        ([0, 10_000], 10_000, [0, *[None] * 300, 10_000]),
    ],
)
def test_idle_time_is_on_the_time_axis(
    scripts: Page, starts: list[int], until: int, expected: list[int | None]
) -> None:
    rows = [{"start": f"1970-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"} for second in starts]
    script = "async ([r, u]) => (await import('/static/js/candle_rows.js')).withIdle(r, 1, u)"
    points: list[dict[str, Any]] = scripts.evaluate(script, [rows, until])
    assert [point["time"] if point["candle"] else None for point in points] == expected
    times = [point["time"] for point in points]
    assert times == sorted(set(times))


def test_times_are_local_where_the_visitor_wants_that(page: Page) -> None:
    page.context.new_cdp_session(page).send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    fake_stream.run(page, 5, {"books": 1, "trades": 1, "eachFrame": 1})
    first = page.locator("#tape-rows td").first
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        in_utc = first.inner_text()
        page.select_option("#zone", "local")
        page.wait_for_function("before => document.querySelector('#tape-rows td').textContent !== before", arg=in_utc)
        in_tokyo = first.inner_text()
        assert (int(in_tokyo[:2]) - int(in_utc[:2])) % 24 == 9
        expect(page.locator("#candle-at")).to_have_text(in_tokyo)
        page.select_option("#zone", "utc")
        page.wait_for_function("before => document.querySelector('#tape-rows td').textContent === before", arg=in_utc)
