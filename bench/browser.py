"""Chromium without its windows, driven by Playwright: for tests, pictures and the rehearsal of competitions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from deploy.local import packages
from deploy.local.failure import Failure

# How long a page may take, because a machine may be busy with other work [ms].
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a browser inside the block. Raises Failure if none is installed."""
    program = packages.path_of(packages.BROWSER)
    if program is None:
        raise Failure("there is no Chromium; `make test` installs it")
    with sync_playwright() as playwright:
        # Root has no sandbox, and the pages are ours.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()
