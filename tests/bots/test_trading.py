"""The client and the six bots on a whole exchange."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import text

from bots.client import Client
from bots.contract import Accepted, LimitOrder, MarketOrder, Report, Side
from bots.errors import Problem
from db.connect import Database
from tests.support.exchange import Exchange, running_exchange

# All that they do in a minute, in a few seconds.
HURRY = {
    "random_walk": ("--every-s", "0.2"),
    "gauss": ("--every-s", "0.2"),
    "uniform": ("--every-s", "0.2"),
    "flood": ("--rate", "5"),
    "retail": ("--every-s", "0.2"),
    "market_maker": (),
}


@pytest.fixture
def exchange(clearing_data: Database, market_data: Database) -> Iterator[Exchange]:
    with running_exchange(without=["referee"]) as running:
        yield running


def limit(side: Side, quantity: int, price: str, *, client_order_id: str | None = None) -> LimitOrder:
    return LimitOrder(
        security_id="MSFT", side=side, quantity=quantity, price=Decimal(price), client_order_id=client_order_id
    )


def test_a_client_sees_its_orders_through(exchange: Exchange) -> None:
    single = Client(exchange.url, exchange.keys["SINGLE"])
    retail = Client(exchange.url, exchange.keys["RETAIL"])
    reports: list[Report] = []
    listener = Client(exchange.url, exchange.keys["SINGLE"])
    Thread(target=lambda: reports.extend(listener.reports()), daemon=True).start()

    def is_heard() -> bool:
        single.place(limit("buy", 1, "0.01"))
        return bool(reports)

    exchange.wait_until(is_heard, "reports on the stream")

    # Both sides of a book.
    bid = limit("buy", 10, "99.98", client_order_id="my-1")
    first, low = single.place_all([bid, limit("buy", 1, "0.02")])
    assert isinstance(first, Accepted)
    assert isinstance(low, Accepted)
    retail.place(limit("sell", 4, "100.02"))
    assert single.place(bid) == Accepted(order_id=first.order_id, client_order_id="my-1", duplicate=True)
    assert single.order_by_client_id("my-1").order_id == first.order_id
    exchange.wait_until(lambda: single.price("MSFT").ask == Decimal("100.02"), "the ask")
    book = single.book("MSFT", depth=1)
    assert [(level.price, level.quantity, level.orders) for level in book.bids] == [(Decimal("99.98"), 10, 1)]
    assert [(level.price, level.quantity, level.orders) for level in book.asks] == [(Decimal("100.02"), 4, 1)]

    # A cancel.
    assert low.order_id in {order.order_id for order in single.open_orders("MSFT")}
    single.cancel("MSFT", low.order_id)
    exchange.wait_until(lambda: single.order("MSFT", low.order_id).status == "cancelled", "the cancel")
    assert low.order_id not in {order.order_id for order in single.open_orders("MSFT")}

    # A trade, its cost, and its reports.
    market = single.place(MarketOrder(security_id="MSFT", side="buy", quantity=3))
    exchange.wait_until(lambda: single.order("MSFT", market.order_id).status == "filled", "the trade")
    assert single.order("MSFT", market.order_id).average_price == Decimal("100.02")
    assert single.balance("SINGLE").balance == Decimal(10_000) - 3 * Decimal("100.02")
    assert single.holding("MSFT", "SINGLE").shares == 1_003
    account = single.account("SINGLE")
    assert account.equity == account.balance + 1_003 * Decimal("100.02")
    exchange.wait_until(lambda: len(single.trades("MSFT")) == 1, "the trade in market data")
    trade = single.trades("MSFT")[0]
    assert (trade.price, trade.quantity, trade.aggressor_side) == (Decimal("100.02"), 3, "buy")
    exchange.wait_until(lambda: reported(reports, market.order_id) >= {"order", "trade", "settlement"}, "the reports")
    sequences = [report.sequence or 0 for report in reports]
    assert sequences == sorted(set(sequences))

    with pytest.raises(Problem) as raised:
        single.balance("RETAIL")
    assert raised.value.status == 403


def reported(reports: list[Report], order_id: int) -> set[str]:
    return {report.event_type for report in reports if report.order_id == order_id and report.status == "confirmed"}


@contextmanager
def bots(exchange: Exchange, logs: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    keys = exchange.instance.directory / "keys.json"
    common = ("--url", exchange.url, "--keys-file", str(keys), "--seed", "1")
    running = []
    try:
        for name, options in HURRY.items():
            with (logs / name).open("wb") as log:
                command = [sys.executable, "-m", "bots", name, *common, *options]
                running.append(subprocess.Popen(command, stderr=log, cwd=Path(__file__).parents[2]))
        yield running
    finally:
        for bot in running:
            bot.kill()
            bot.wait()


def orders_by_client(clearing_data: Database) -> dict[str, int]:
    with clearing_data.transaction() as tx:
        rows = tx.execute(text("SELECT client_id, count(*) AS orders FROM orders GROUP BY client_id"))
        return {row.client_id: row.orders for row in rows}


def test_six_bots_trade_and_go_on_after_the_api_was_killed(
    exchange: Exchange, clearing_data: Database, tmp_path: Path
) -> None:
    names = {name.upper() for name in HURRY}

    def all_order_more_than(before: dict[str, int]) -> bool:
        now = orders_by_client(clearing_data)
        return all(now.get(name, 0) > before.get(name, 0) for name in names)

    with bots(exchange, tmp_path) as running:
        exchange.wait_until(lambda: all_order_more_than({}), "every bot has ordered")
        exchange.kill("api")
        exchange.wait_until(lambda: exchange.is_back("api"), "the api is back")
        before = orders_by_client(clearing_data)
        exchange.wait_until(lambda: all_order_more_than(before), "every bot goes on")
        assert [bot.poll() for bot in running] == [None] * len(HURRY)
    logs = {name: (tmp_path / name).read_text() for name in HURRY}
    assert all("Traceback" not in log for log in logs.values()), logs
    audit = exchange.audit()
    assert audit.passed, audit
