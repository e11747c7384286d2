"""The pages of competitions in a browser, on answers that the tests know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from tests.api.dashboard.conftest import answer_with
from tests.support.browser import DESK, Visit
from tests.support.web import Api

OpenPage = Callable[..., Page]


@pytest.fixture
def open_at(browser: Browser, shared_api: Api) -> Iterator[OpenPage]:
    """Return a function that opens a page of the api, with answers in place of the api's."""
    visits: list[Visit] = []

    def opened(path: str, answers: Mapping[str, Any], *, viewport: ViewportSize = DESK, **options: Any) -> Page:
        visit = Visit(browser, shared_api.url, viewport=viewport, **options)
        visits.append(visit)
        for address, content in answers.items():
            visit.page.route(address, partial(answer_with, content))
        visit.page.goto(visit.url + path)
        return visit.page

    yield opened
    for visit in visits:
        visit.check()
        visit.page.context.close()


# Elements that reach over the right edge, and those that scroll sideways.
SIDEWAYS = """() => [...document.querySelectorAll("html, body *")]
    .filter((node) => node.checkVisibility() && !node.closest(".drawing, .code, .hidden"))
    .filter((node) => {
        const right = node === document.documentElement ? node.scrollWidth : node.getBoundingClientRect().right;
        const scrolls = ["auto", "scroll"].includes(getComputedStyle(node).overflowX);
        const isText = ["INPUT", "TEXTAREA", "SELECT"].includes(node.tagName);
        return right > innerWidth + 1 || (scrolls && !isText && node.scrollWidth > node.clientWidth + 1);
    })
    .map((node) => node.outerHTML.slice(0, 100))"""

# Targets that a thumb misses.
SMALL = """() => [...document.querySelectorAll("button, a, input, select, textarea, summary")]
    .filter((node) => node.checkVisibility() && node.getBoundingClientRect().height < 44)
    .map((node) => node.outerHTML.slice(0, 100))"""

# Texts that do not fit into their elements, and are cut off or cover others.
CUT_OFF = """() => [...document.querySelectorAll("body *")]
    .filter((node) => node.checkVisibility() && node.childElementCount === 0 && node.textContent.trim())
    .filter((node) => getComputedStyle(node).display !== "inline" && node.scrollWidth > node.clientWidth + 1)
    .map((node) => node.outerHTML.slice(0, 100))"""
