"""A page whose stream is made in the browser itself, and the page's memory: `python -m tests.support.fake_stream`.

The command simulates an hour of a busy market, and prints what the page holds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page

from bench.browser import running_browser
from tests.support.browser import Visit

SCRIPT = Path(__file__).with_suffix(".js")

# Changes of the book and trades in a second of the market, and seconds that go by between two frames.
BUSY = {"books": 10, "trades": 5, "eachFrame": 10}
HOUR_S = 3_600
# The first quarter fills the page's buffers; they do not grow from then on.
LOOK_EVERY_S = 900


@dataclass(frozen=True, slots=True)
class Holdings:
    """The objects of a page after garbage collection."""

    nodes: int
    listeners: int
    heap_bytes: int


def opened(visit: Visit, *, path: str = "", **options: Any) -> Page:
    """Open the page with a stream that `run` makes; `options` as the script has them."""
    visit.page.add_init_script(script=f"window.fakeStreamOptions = {json.dumps(options)}")
    visit.page.add_init_script(path=SCRIPT)
    return visit.open(path)


def run(page: Page, seconds: int, pace: dict[str, int]) -> None:
    """Simulate seconds of a market."""
    page.evaluate("([seconds, pace]) => fakeStream.run(seconds, pace)", [seconds, pace])


class Scales:
    """Measures what a page holds."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("Performance.enable")

    def weigh(self) -> Holdings:
        """Return what the page holds now."""
        for _ in range(3):  # objects freed by one collection may have kept others alive
            self._session.send("HeapProfiler.collectGarbage")
        metrics: list[dict[str, Any]] = self._session.send("Performance.getMetrics")["metrics"]
        found = {metric["name"]: int(metric["value"]) for metric in metrics}
        return Holdings(found["Nodes"], found["JSEventListeners"], found["JSHeapUsedSize"])


def main() -> int:
    """Measure an hour."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.fake_stream")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the exchange (default: %(default)s)")
    url = parser.parse_args().url
    with running_browser() as browser:
        page = opened(Visit(browser, url))
        scales = Scales(page)
        _print(0, scales.weigh(), 0.0)
        for minutes in range(LOOK_EVERY_S, HOUR_S + 1, LOOK_EVERY_S):
            began_s = time.monotonic()
            run(page, LOOK_EVERY_S, BUSY)
            _print(minutes, scales.weigh(), time.monotonic() - began_s)
    return 0


def _print(market_s: int, held: Holdings, took_s: float) -> None:
    sys.stdout.write(
        f"{market_s // 60:3} min of the market  {held.heap_bytes / 1e6:5.1f} MB of heap  {held.nodes:6,} nodes  "
        f"{held.listeners:4} listeners  (took {took_s:.0f} s)\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
