"""kill -9 of each process while orders flow: it comes back by itself, nothing is lost, nothing happens twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from db.connect import Database
from tests.support.exchange import Exchange
from tests.system.test_accounting import assert_known, settled_trades, trades_of_the_naive_book
from tests.system.traders import Ledger, open_accounts, trade

# Every process that an order passes, in the order in which it does.
VICTIMS = ("api", "order_entry", "matching.0", "matching.1", "order_execution", "data_feed", "streams")
KILLS_OF_EACH = 2


def test_killed_processes_come_back_and_lose_nothing(exchange: Exchange, clearing_data: Database) -> None:
    keys = open_accounts(exchange.url, exchange.keys["admin"])
    ledger, done = Ledger(), Event()
    with ThreadPoolExecutor(1) as background:
        trading = background.submit(trade, exchange.url, keys, ledger, seed=9, until=done)
        try:
            for _ in range(KILLS_OF_EACH):
                for victim in VICTIMS:
                    flowing = len(ledger.accepted)
                    exchange.wait_until(lambda flowing=flowing: len(ledger.accepted) > flowing + 300, "orders flow")
                    exchange.kill(victim)
                    exchange.wait_until(lambda victim=victim: exchange.is_back(victim), f"{victim} is back")
        finally:
            done.set()
        trading.result()
    assert set(ledger.answers) == {"accepted"}
    audit = exchange.audit()
    assert audit.passed, audit
    assert_known(clearing_data, ledger)
    assert trades_of_the_naive_book(clearing_data) == settled_trades(clearing_data)
    assert exchange.dead_letters() == 0


@pytest.mark.parametrize("victim", ["order_entry", "matching.0", "order_execution", "data_feed"])
def test_a_warm_stop_loses_nothing(exchange: Exchange, clearing_data: Database, victim: str) -> None:
    keys = open_accounts(exchange.url, exchange.keys["admin"])
    ledger, done = Ledger(), Event()
    with ThreadPoolExecutor(1) as background:
        trading = background.submit(trade, exchange.url, keys, ledger, seed=10, until=done)
        try:
            exchange.wait_until(lambda: len(ledger.accepted) > 500, "orders flow")
            exchange.restart(victim)
        finally:
            done.set()
        trading.result()
    audit = exchange.audit()
    assert audit.passed, audit
    assert_known(clearing_data, ledger)
