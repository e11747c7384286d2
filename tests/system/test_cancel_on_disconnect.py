"""Row 47: the end of a connection cancels all orders answered 202 before, with any number of order entry workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from websocket import create_connection

from bots.client import Client
from bots.contract import LimitOrder
from db.connect import Database
from tests.support.exchange import Exchange, running_exchange

ATTEMPTS = 60
# Orders of an attempt, each on its own connection, and orders in a request of the load.
ORDERS = 8
LOAD_ORDERS = 200


@pytest.fixture
def exchange(clearing_data: Database, market_data: Database) -> Iterator[Exchange]:
    with running_exchange({"ORDER_ENTRY_WORKERS": "2"}, without=["referee"]) as running:
        yield running


def _order(price: str) -> LimitOrder:
    return LimitOrder(security_id="MSFT", side="buy", quantity=1, price=price)


@contextmanager
def _load(exchange: Exchange) -> Iterator[None]:
    """Let another client keep both workers busy inside the block."""
    ended = threading.Event()

    def work() -> None:
        client = Client(exchange.url, exchange.keys["FLOOD"])
        while not ended.is_set():
            client.place_all([_order("0.01")] * LOAD_ORDERS)
            client.cancel_all()

    with ThreadPoolExecutor(2) as threads:
        working = [threads.submit(work) for _ in range(2)]
        try:
            yield
        finally:
            ended.set()
        for one in working:
            one.result()


def test_47_no_order_that_was_accepted_outlives_the_connection(exchange: Exchange, clearing_data: Database) -> None:
    key = exchange.keys["SINGLE"]
    address = exchange.url.replace("http", "ws", 1) + f"/stream/report?api_key={key}&cancel_on_disconnect=true"
    clients = [Client(exchange.url, key) for _ in range(ORDERS)]
    left = []
    with _load(exchange), ThreadPoolExecutor(ORDERS) as threads:
        for attempt in range(ATTEMPTS):
            stream = create_connection(address, timeout=10)
            placed = list(threads.map(lambda client: client.place(_order("1.00")).order_id, clients))
            stream.close()
            exchange.wait_until(lambda ids=placed: _undecided(clearing_data, ids) == 0, "the orders are decided")
            try:
                exchange.wait_until(lambda ids=placed: _open(clearing_data, ids) == [], "they are closed")
            except AssertionError:
                left.append((attempt, _open(clearing_data, placed)))
                clients[0].cancel_all()
    assert left == []
    assert exchange.dead_letters() == 0


def _undecided(clearing_data: Database, order_ids: list[int]) -> int:
    with clearing_data.snapshot() as tx:
        query = text("SELECT count(*) FROM orders WHERE order_id = ANY(:ids)")
        return len(order_ids) - int(tx.execute(query, {"ids": order_ids}).scalar_one())


def _open(clearing_data: Database, order_ids: list[int]) -> list[int]:
    with clearing_data.snapshot() as tx:
        query = text("SELECT order_id FROM orders WHERE order_id = ANY(:ids) AND status IN ('new', 'partially_filled')")
        return list(tx.execute(query, {"ids": order_ids}).scalars())
