"""200 securities on the page. The last module of the folder, because the others expect five."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from playwright.sync_api import expect
from sqlalchemy import text

from bots.client import Client
from bots.contract import Accepted, LimitOrder
from bots.errors import Problem
from db.connect import Database
from tests.support.browser import Visit
from tests.support.exchange import Exchange
from tests.support.page import row_of


def test_200_securities_are_listed_traded_and_shown(
    exchange: Exchange, visit: Visit, databases: tuple[Database, Database]
) -> None:
    page = visit.open()
    rows = page.locator("#picker-rows tr")
    expect(rows).to_have_count(5)
    expect(page.locator("#picker-find")).to_be_hidden()
    names = [f"S{number}" for number in range(195)]
    admin = Client(exchange.url, exchange.keys["admin"])
    admin.ask("PATCH", "/accounts/FLOOD", dict, content={"limits": {"short_limit": 1}})

    def list_security(name: str) -> None:
        terms = {"security_id": name, "reference_price": 1}
        try:
            Client(exchange.url, exchange.keys["admin"]).post("/securities", terms, dict)
        except Problem as problem:
            if problem.code != "security_exists":  # the client has asked again, because the answer took too long
                raise

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(list_security, names))
    exchange.wait_until(lambda: len(admin.securities()) == 200, "all are listed")
    with databases[0].snapshot() as tx:
        shards = tx.execute(text("SELECT count(*) FROM securities GROUP BY shard")).scalars().all()
    assert max(shards) - min(shards) <= 1
    for client_id, side in (("FLOOD", "sell"), ("RETAIL", "buy")):
        orders = [LimitOrder(security_id=name, side=side, quantity=1, price=Decimal(1)) for name in names]
        answers = Client(exchange.url, exchange.keys[client_id]).place_all(orders)
        assert all(isinstance(one, Accepted) for one in answers), answers
    # The page, which was open before, shows each of them with its trade.
    expect(rows).to_have_count(200)
    expect(page.locator("#picker-rows td:nth-child(2)", has_text=re.compile(r"^1\.00$"))).to_have_count(195)
    page.fill("#picker-find", "s19")
    expect(rows).to_have_count(6)
    page.get_by_role("button", name="S194").click()
    expect(page.locator("#quote-security")).to_have_text("S194")
    expect(row_of(visit, "#tape-rows", "1.00").first).to_be_visible()
    expect(page.locator("#quote-volume")).to_have_text("1")
    page.fill("#picker-find", "")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if folder := os.environ.get("PICTURES"):
            page.screenshot(path=f"{folder}/200-securities-{width}.png", full_page=width < 500)
    audit = exchange.audit()
    assert audit.passed, audit
