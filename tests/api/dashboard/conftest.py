"""The page in a browser, on an api without trades and on a stream that the test makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Route, ViewportSize, expect

from bench.browser import running_browser
from tests.api.dashboard.answers import ANSWERS, ASK, PRICES
from tests.support import fake_stream
from tests.support.browser import DESK, Visit
from tests.support.page import WIDTHS
from tests.support.web import Api

Open = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@contextmanager
def pages(browser: Browser, api: Api) -> Iterator[Open]:
    """Open pages inside the block, with answers in place of the api's, and check that nothing came from elsewhere."""
    visits: list[Visit] = []

    def opened(
        *,
        path: str = "",
        answers: Mapping[str, Any] | None = None,
        viewport: ViewportSize = DESK,
        **options: Any,
    ) -> Page:
        visit = Visit(browser, f"http://127.0.0.1:{api.port}", viewport=viewport)
        visits.append(visit)
        for address, content in (answers or {}).items():
            visit.page.route(address, partial(answer_with, content))
        return fake_stream.opened(visit, path=path, **options)

    yield opened
    for visit in visits:
        assert visit.elsewhere == []
        visit.page.context.close()


@pytest.fixture
def open_page(browser: Browser, api: Api) -> Iterator[Open]:
    """Return a function that opens pages of an exchange without trades."""
    with pages(browser, api) as opened:
        yield opened


@pytest.fixture(scope="package")
def trader(browser: Browser, shared_api: Api) -> Iterator[Page]:
    """Return a page with a key, on answers that the tests know; tests of all widths share it."""
    with pages(browser, shared_api) as opened:
        page = opened(answers=ANSWERS)
        page.fill("#key", "key")
        page.click("#key-form button")
        expect(page.locator("#account-available")).to_have_text("9,000.00")
        yield page


@pytest.fixture(params=WIDTHS)
def at_width(trader: Page, request: pytest.FixtureRequest) -> Page:
    """Return that page at each of the widths, with the same prices of MSFT."""
    trader.set_viewport_size({"width": request.param, "height": 900})
    trader.get_by_role("button", name="MSFT", exact=True).click()
    trader.evaluate("data => fakeStream.publish('price', data, 'snapshot')", PRICES)
    expect(trader.locator("#quote-security")).to_have_text("MSFT")
    expect(trader.locator("#take-ask")).to_have_text(f"ask {ASK}")
    return trader


@pytest.fixture
def page(open_page: Open) -> Page:
    """Return the page of an exchange without trades."""
    return open_page()


@pytest.fixture(scope="package")
def scripts(browser: Browser, shared_api: Api) -> Iterator[Page]:
    """Return a page of the api without content, for tests of functions that the page imports."""
    page = browser.new_context().new_page()
    page.goto(f"http://127.0.0.1:{shared_api.port}/static/icon.svg")
    yield page
    page.context.close()


def answer_with(content: Any, route: Route, _request: Request) -> None:
    """Answer a request of the page."""
    route.fulfill(json=content)
