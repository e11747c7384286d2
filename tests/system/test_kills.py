"""kill -9 of each kind of process while orders flow: it returns, and nothing is lost or happens twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from db.connect import Database
from tests.support.exchange import Exchange
from tests.system.test_accounting import settled_trades, trades_of_the_naive_book, unknown_orders
from tests.system.traders import Ledger, open_accounts, trade

# Every process that an order passes, in this order.
WORKERS = ("order_entry", "matching.0", "order_execution", "data_feed")
VICTIMS = ("api", *WORKERS, "streams")


def test_killed_processes_come_back_and_lose_nothing(exchange: Exchange, clearing_data: Database) -> None:
    keys = open_accounts(exchange.url, exchange.keys["admin"])
    ledger, done = Ledger(), Event()
    with ThreadPoolExecutor(1) as background:
        trading = background.submit(trade, exchange.url, keys, ledger, seed=9, until=done)
        try:
            for victim in VICTIMS:
                flowing = len(ledger.accepted)
                exchange.wait_until(lambda flowing=flowing: len(ledger.accepted) > flowing + 300, "orders flow")
                exchange.kill(victim)
                exchange.wait_until(lambda victim=victim: exchange.is_back(victim), f"{victim} is back")
        finally:
            done.set()
        trading.result()
    assert_nothing_is_lost(exchange, clearing_data, ledger)


def assert_nothing_is_lost(exchange: Exchange, clearing_data: Database, ledger: Ledger) -> None:
    """Check that every order was accepted, is known and traded as it had to, and that the books are right."""
    assert set(ledger.answers) == {"accepted"}
    exchange.wait_until(lambda: unknown_orders(clearing_data, ledger) == set(), "order entry has seen every order")
    audit = exchange.audit()
    assert audit.passed, audit
    assert trades_of_the_naive_book(clearing_data) == settled_trades(clearing_data)
    assert exchange.dead_letters() == 0


def test_warm_stops_lose_nothing(exchange: Exchange, clearing_data: Database) -> None:
    keys = open_accounts(exchange.url, exchange.keys["admin"])
    ledger, done = Ledger(), Event()
    with ThreadPoolExecutor(1) as background:
        trading = background.submit(trade, exchange.url, keys, ledger, seed=10, until=done)
        try:
            for victim in WORKERS:
                flowing = len(ledger.accepted)
                exchange.wait_until(lambda flowing=flowing: len(ledger.accepted) > flowing + 300, "orders flow")
                exchange.restart(victim)
        finally:
            done.set()
        trading.result()
    assert_nothing_is_lost(exchange, clearing_data, ledger)
