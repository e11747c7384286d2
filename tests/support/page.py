"""The actions of tests on the page of a running exchange."""

from __future__ import annotations

from decimal import Decimal

from playwright.sync_api import Locator

from bots.client import Client
from bots.contract import LimitOrder
from tests.support.browser import Visit
from tests.support.exchange import Exchange

# The widths of a phone, a tablet, and three screens.
WIDTHS = (390, 1024, 1280, 1440, 1920)


def trade(exchange: Exchange, price: str, quantity: int = 3) -> None:
    """Let two clients trade at a price that no other test uses."""
    for client_id, side in (("FLOOD", "sell"), ("RETAIL", "buy")):
        Client(exchange.url, exchange.keys[client_id]).place(
            LimitOrder(security_id="MSFT", side=side, quantity=quantity, price=Decimal(price))
        )


def row_of(visit: Visit, rows: str, text: str) -> Locator:
    """Return the rows of a table that contain a text."""
    return visit.page.locator(f"{rows} tr", has_text=text)


def enter(visit: Visit, *, quantity: str, price: str) -> None:
    """Fill in the ticket and press its button, twice where the price is far from the best one."""
    visit.page.fill("#order-quantity", quantity)
    visit.page.fill("#order-price", price)
    submit = visit.page.locator("#order-submit")
    submit.click()
    if submit.inner_text().startswith("Confirm"):
        submit.click()
