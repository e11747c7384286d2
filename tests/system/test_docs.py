"""The descriptions of the api suffice to trade: the page /docs, a generated client, and the document of the streams."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests
from playwright.sync_api import expect
from websocket import create_connection

from bench.browser import running_browser
from bots.client import Client
from bots.contract import LimitOrder
from db.connect import Database
from tests.support.browser import Visit
from tests.support.databases import renew_clearing_data, renew_market_data
from tests.support.exchange import Exchange, running_exchange
from tests.support.streams import SocketIOClient, read

# A program that uses only the generated client.
PROGRAM = """\
import sys
from exchange_client import AuthenticatedClient
from exchange_client.api.orders import get_order_reads_one, post_orders_place
from exchange_client.models import LimitOrder, LimitOrderSide, Order, Submitted

with AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2]) as client:
    submitted = post_orders_place.sync(
        client=client,
        body=LimitOrder(type_="limit", security_id="MSFT", side=LimitOrderSide.BUY, quantity=7, price="90.05"),
    )
    assert isinstance(submitted, Submitted), submitted
    order = get_order_reads_one.sync("MSFT", submitted.order_id, client=client)
    assert isinstance(order, Order), order
    print(order.order_id, order.side.value, order.quantity, order.price)
"""


@pytest.fixture(scope="module")
def exchange(_databases: tuple[Database, Database]) -> Iterator[Exchange]:
    """Run one exchange for all tests of this module."""
    renew_clearing_data(_databases[0])
    renew_market_data(_databases[1])
    with running_exchange(without=["referee"]) as running:
        yield running


def test_an_order_is_placed_from_the_page(exchange: Exchange) -> None:
    with running_browser() as browser:
        visit = Visit(browser, exchange.url)
        page = visit.page
        page.goto(f"{exchange.url}/docs")
        page.click(".auth-wrapper .authorize")
        page.fill("#auth-bearer-value", exchange.keys["SINGLE"])
        page.locator(".auth-container", has=page.locator("#auth-bearer-value")).locator("button.authorize").click()
        page.click(".btn-done")
        place = page.locator("#operations-Orders-post_orders_place")
        place.locator(".opblock-summary-control").click()
        expect(place.locator("textarea.body-param__text")).to_have_value(re.compile("my-first-order"))
        place.locator("button.execute").click()
        expect(place.locator(".live-responses-table tbody .response-col_status")).to_contain_text("202")
        # A page with a key loads nothing from other hosts, and its policy blocks nothing that it needs.
        visit.check()
    order = Client(exchange.url, exchange.keys["SINGLE"]).order_by_client_id("my-first-order")
    assert (order.security_id, order.quantity, order.price) == ("MSFT", 10, Decimal("100.12"))


def test_a_generated_client_places_an_order(exchange: Exchange, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    generated = subprocess.run(
        [
            "openapi-python-client", "generate", "--url", f"{exchange.url}/openapi.json", "--meta", "none",
            "--output-path", tmp_path / "exchange_client",
        ],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert generated.returncode == 0, generated.stdout + generated.stderr
    assert "may be missing" not in generated.stdout, generated.stdout
    (tmp_path / "program.py").write_text(PROGRAM)
    typed = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", "cache", "program.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert typed.returncode == 0, typed.stdout
    placed = subprocess.run(
        [sys.executable, "program.py", exchange.url, exchange.keys["SINGLE"]],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert placed.returncode == 0, placed.stderr
    order_id, *terms = placed.stdout.split()
    assert terms == ["buy", "7", "90.05"]
    assert Client(exchange.url, exchange.keys["SINGLE"]).order("MSFT", int(order_id)).quantity == 7


def test_the_streams_send_what_their_document_says(exchange: Exchange) -> None:
    document = requests.get(f"{exchange.url}/asyncapi.json", timeout=20).json()
    key = exchange.keys["RETAIL"]
    prices = create_connection(exchange.url.replace("http", "ws") + "/stream/price", timeout=20)
    reports = create_connection(exchange.url.replace("http", "ws") + f"/stream/report?api_key={key}", timeout=20)
    subscriber = SocketIOClient(exchange.url, {"api_key": key}, ("websocket",))
    channels = ("price", "book", "trades", "candles", "report", "leaderboard", "pipeline")
    for channel in channels:
        asked = {"channel": channel} if channel == "report" else {"channel": channel, "security_id": None}
        assert not faults(document, "socketio", "subscription", asked)
        assert subscriber.ask("subscribe", asked) == {"status": "success"}
    for client_id, side, price in (
        ("FLOOD", "sell", "100.60"),
        ("RETAIL", "buy", "100.50"),
        ("FLOOD", "sell", "100.50"),
        ("RETAIL", "buy", "100.40"),
    ):
        Client(exchange.url, exchange.keys[client_id]).place(
            LimitOrder(security_id="MSFT", side=side, quantity=3, price=Decimal(price))
        )
    assert not faults(document, "raw_price", "price", read(prices))
    assert not faults(document, "raw_report", "report", read(reports))
    for name in (*channels, "heartbeat"):
        # With an update, so that it is not empty.
        many = 1 if name == "heartbeat" else 2
        subscriber.wait_for(name, many)
        for event in subscriber.of(name):
            assert not faults(document, "socketio", name, event), (name, event)
    subscriber.close()
    prices.close()
    reports.close()


def faults(document: dict[str, Any], channel: str, message: str, content: Any) -> list[str]:
    """Return the violations of a message's schema."""
    payload = document["channels"][channel]["messages"][message]["payload"]
    schema = {**payload, "components": document["components"]}
    return [fault.message for fault in jsonschema_rs.validator_for(schema).iter_errors(content)]
