"""RabbitMQ loses all its data under load: commands in the log are settled and reported, lost requests are named."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from kombu import Connection
from sqlalchemy import text

from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from db.clearing_data.log.order_log import last_seq, read_commands
from db.connect import Database
from tasks.matching.rules.engine import Engine
from tasks.messages import CancelRefused, OrderTriggered, TradeMade
from tests.support.broker import depth
from tests.support.exchange import Exchange, running_exchange
from tests.support.rabbitmq_server import RabbitMQServer
from tests.system.test_accounting import SHARDS, settled_trades, trades_of_the_naive_book, unknown_orders
from tests.system.traders import Ledger, open_accounts, trade

# From RabbitMQ's return until every command that was in the log then is settled and reported.
LIMIT_S = 180.0  # within 60 s unless the machine is overloaded, which the chaos runs measure


@pytest.fixture
def rabbitmq() -> Iterator[RabbitMQServer]:
    with RabbitMQServer(defined=True) as rabbitmq:
        yield rabbitmq


@pytest.fixture
def exchange(rabbitmq: RabbitMQServer, clearing_data: Database, market_data: Database) -> Iterator[Exchange]:
    """Run an exchange with the least rights at RabbitMQ: it cannot declare lost queues itself."""
    with running_exchange(broker_url=rabbitmq.url, passwords=rabbitmq.passwords) as running:
        yield running


def test_commands_in_the_log_are_settled_and_reported(
    exchange: Exchange, rabbitmq: RabbitMQServer, clearing_data: Database, market_data: Database
) -> None:
    keys = open_accounts(exchange.url, exchange.keys["admin"])
    ledger, done = Ledger(), Event()
    with ThreadPoolExecutor(1) as background:
        trading = background.submit(trade, exchange.url, keys, ledger, seed=11, until=done)
        try:
            exchange.wait_until(lambda: len(ledger.accepted) > 1_500, "orders flow")
            hold_up(exchange, clearing_data, "order_execution", "data_feed")
            # More than the workers have fetched in advance.
            exchange.wait_until(lambda: all(waiting(rabbitmq)), "messages wait behind the engine")
            rabbitmq.stop(signal.SIGKILL)
            rabbitmq.lose_data()
            resume(exchange, "order_execution", "data_feed")
            rabbitmq.start()
            returned_s, heads = time.monotonic(), heads_of(clearing_data)
            left_s = returned_s + LIMIT_S - time.monotonic()
            exchange.wait_until(
                lambda: missing(clearing_data, market_data, heads) == 0, "all of the log is there", timeout_s=left_s
            )
            # The exchange goes on: new orders pass.
            flowing = len(ledger.accepted)
            exchange.wait_until(lambda: len(ledger.accepted) > flowing + 300, "orders flow again")
        finally:
            done.set()
        trading.result()
    # Messages between all stages were lost indeed, and derived again.
    log = (exchange.instance.logs / "catch_up.log").read_text()
    for stage, queue in (("matching", "order_execution"), ("matching", "data_feed"), ("order_entry", "data_feed")):
        assert f"gap_found stage={stage} queue={queue}" in log
    audit = exchange.audit(patience_s=10.0)  # which waits for what is lost
    promised = unknown_orders(clearing_data, ledger)
    # Requests that were only in the queue order_entry are lost, and the promises of their client order ids name them.
    assert promised <= promised_without_an_order(clearing_data)
    assert all(rule["rule"] == 1 for rule in audit.broken), audit
    assert trades_of_the_naive_book(clearing_data) == settled_trades(clearing_data)
    assert exchange.dead_letters() == 0


def waiting(rabbitmq: RabbitMQServer) -> list[int]:
    """Return how many messages no worker has fetched, in the queues behind the engine."""
    with Connection(rabbitmq.url) as connection:
        return [depth(connection, queue) for queue in (ORDER_EXECUTION, DATA_FEED)]


def hold_up(exchange: Exchange, clearing_data: Database, *names: str) -> None:
    """Pause processes, as on an overloaded machine, so that messages wait; none while it holds locks in Postgres."""
    busy = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name AND state <> 'idle'")

    def is_paused(name: str) -> bool:
        exchange.send_signal(name, signal.SIGSTOP)
        with clearing_data.snapshot() as tx:
            is_idle = tx.execute(busy, {"name": name}).scalar_one() == 0
        if not is_idle:
            exchange.send_signal(name, signal.SIGCONT)
        return is_idle

    for name in names:
        exchange.wait_until(lambda name=name: is_paused(name), f"{name} is paused")  # type: ignore[misc]


def resume(exchange: Exchange, *names: str) -> None:
    for name in names:
        exchange.send_signal(name, signal.SIGCONT)


def heads_of(clearing_data: Database) -> dict[int, int]:
    with clearing_data.snapshot() as tx:
        return {shard: last_seq(tx, shard) for shard in range(SHARDS)}


def missing(clearing_data: Database, market_data: Database, heads: dict[int, int]) -> int:
    """Return how many results of the log up to its heads are not settled or not reported."""
    executions: set[int] = set()
    trades: set[int] = set()
    requests: set[int] = set()
    due: set[int] = set()
    for shard, head in heads.items():
        engine = Engine(shard)
        with clearing_data.snapshot() as tx:
            commands = read_commands(tx, shard, after_seq=0, limit=head)
        for seq, command in commands:
            requests.add(getattr(command, "command_id", None) or command.order_id)
            for event in engine.apply(seq, command):
                due.add(event.event_id)
                if isinstance(event, TradeMade):
                    trades.add(event.event_id)
                if not isinstance(event, CancelRefused | OrderTriggered):
                    executions.add(event.event_id)
    with clearing_data.snapshot() as tx:
        executions.difference_update(tx.execute(text("SELECT event_id FROM executions")).scalars())
    with market_data.snapshot() as tx:
        reported = set(tx.execute(text("SELECT report_id FROM reports")).scalars())
    lacking = (requests | due | {-trade for trade in trades}) - reported
    return len(executions) + len(lacking)


def promised_without_an_order(clearing_data: Database) -> set[int]:
    """Return orders with a promised client order id that order entry has never seen."""
    with clearing_data.snapshot() as tx:
        rows = tx.execute(
            text("SELECT order_id FROM client_order_ids WHERE order_id NOT IN (SELECT order_id FROM orders)")
        )
        return set(rows.scalars())
