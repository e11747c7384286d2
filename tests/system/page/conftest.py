"""The page of a running exchange in a real browser; one exchange serves all tests of this folder, in one process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser

from bench.browser import running_browser
from db.connect import Database
from tests.support.browser import Visit
from tests.support.databases import renew_clearing_data, renew_market_data
from tests.support.exchange import Exchange, running_exchange
from tests.support.page import trade


@pytest.fixture
def databases(_databases: tuple[Database, Database]) -> tuple[Database, Database]:
    """Return the databases of the running exchange."""
    return _databases


@pytest.fixture(scope="package")
def exchange(_databases: tuple[Database, Database]) -> Iterator[Exchange]:
    """Run one exchange for all tests of this folder; each trades at its own prices."""
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


@pytest.fixture(scope="package")
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
