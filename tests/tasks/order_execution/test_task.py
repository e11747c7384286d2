"""The stage as real worker processes behind a real RabbitMQ."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from kombu import Connection
from msgspec.structs import replace
from sqlalchemy import create_engine, text

import db.coverage
from celery_app.faults import INVARIANT_BROKEN_STATUS
from celery_app.publisher import Publisher
from celery_app.topology import DATA_FEED, DEAD_LETTER, ORDER_EXECUTION
from db.connect import Database
from tasks.messages import ExecutionBatch, FeedBatch, TradeMade
from tasks.shared.rules import coverage
from tests.support.broker import depth, take
from tests.support.trading import Exchange, open_accounts
from tests.support.worker import Worker

_read_feed = msgspec.json.Decoder(tuple[tuple[list[FeedBatch]], dict, dict]).decode


@pytest.fixture
def exchange(clearing_data: Database) -> Exchange:
    open_accounts(clearing_data)
    return Exchange(clearing_data)


def send(publisher: Publisher, *batches: ExecutionBatch) -> None:
    for batch in batches:
        publisher.send(ORDER_EXECUTION, batch, size=len(batch.executions))


def trades_of(batches: list[ExecutionBatch]) -> list[TradeMade]:
    return [one for batch in batches for one in batch.executions if isinstance(one, TradeMade)]


def wait_until_settled(clearing_data: Database, executions: int, *, timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while (settled := _settled(clearing_data)) < executions:
        assert time.monotonic() < deadline, f"{settled} of {executions} executions are settled"
        time.sleep(0.05)


def _settled(clearing_data: Database) -> int:
    with clearing_data.snapshot() as tx:
        return int(tx.execute(text("SELECT count(*) FROM executions")).scalar_one())


def wait_until_blocked(clearing_data: Database, *, timeout_s: float = 120.0) -> None:
    """Until a worker waits for a lock that another transaction has."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = :worker AND wait_event_type = 'Lock'"
    other = Database(clearing_data.engine.url.render_as_string(hide_password=False))
    deadline = time.monotonic() + timeout_s
    while True:
        with other.transaction() as tx:
            if tx.execute(text(waits), {"worker": ORDER_EXECUTION}).scalar_one():
                break
        assert time.monotonic() < deadline, "no worker waits"
        time.sleep(0.01)
    other.engine.dispose()


def reported(connection: Connection, messages: int) -> list[TradeMade]:
    """The settled trades in the next messages for the feed."""
    bodies = [_read_feed(message.body) for message in take(connection, DATA_FEED, messages)]
    return [trade for ((batches,), _, _) in bodies for batch in batches for trade in batch.settled]


def resting_orders(exchange: Exchange) -> set[int]:
    books = [book for engine in exchange.engines.values() for book in engine.state().books]
    return {order.order_id for book in books for order in (*book.bids, *book.asks)}


def one_trade(exchange: Exchange) -> list[ExecutionBatch]:
    return exchange.enter([exchange.order("sell", "BOB", 5, 9_990), exchange.order("buy", "ANN", 5, 9_990)])[0]


def test_trades_are_settled_then_reported(
    broker: Connection, publisher: Publisher, exchange: Exchange, clearing_data: Database
) -> None:
    batches = one_trade(exchange)
    with Worker(ORDER_EXECUTION) as worker:
        send(publisher, *batches)
        assert reported(broker, 1) == trades_of(batches)
        assert _settled(clearing_data) == 1
        assert worker.stop() == 0
    assert depth(broker, ORDER_EXECUTION) == depth(broker, DEAD_LETTER) == 0


def test_what_comes_again_is_reported_again_and_settled_once(
    broker: Connection, publisher: Publisher, exchange: Exchange, clearing_data: Database
) -> None:
    batches = one_trade(exchange)
    with Worker(ORDER_EXECUTION):
        send(publisher, *batches)
        assert reported(broker, 1) == trades_of(batches)
        send(publisher, *batches)
        assert reported(broker, 1) == trades_of(batches)
    with clearing_data.snapshot() as tx:
        assert tx.execute(text("SELECT count(*) FROM ledger WHERE kind = 'trade'")).scalar_one() == 2


def test_both_sides_of_a_failed_trade_get_a_report_and_it_is_an_alarm(
    broker: Connection, publisher: Publisher, exchange: Exchange, clearing_data: Database
) -> None:
    batches = one_trade(exchange)
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE accounts SET state = 'closed' WHERE client_id = 'ANN'"))
    with Worker(ORDER_EXECUTION) as worker:
        for _ in range(2):
            send(publisher, *batches)
            ((feeds,), _, _) = _read_feed(take(broker, DATA_FEED, 1)[0].body)
            (feed,) = feeds
            assert [(failed.trade, failed.reason) for failed in feed.failed] == [
                (trade, "account_closed") for trade in trades_of(batches)
            ]
            assert feed.settled == []
        assert "trades_failed" in worker.log
    assert depth(broker, DEAD_LETTER) == 0


def test_two_workers_one_of_which_is_killed_settle_everything_once(
    broker: Connection, publisher: Publisher, exchange: Exchange, clearing_data: Database
) -> None:
    batches = [batch for _ in range(60) for batch in exchange.enter(exchange.requests(20))[0]]
    executions = {one.event_id for batch in batches for one in batch.executions}
    with Worker(ORDER_EXECUTION), Worker(ORDER_EXECUTION) as dies:
        for batch in batches:
            send(publisher, batch)
            if batch.executions[0].event_id % 3 == 0:
                send(publisher, batch)
        dies.kill()
        wait_until_settled(clearing_data, len(executions))
    with clearing_data.snapshot() as tx:
        legs = tx.execute(text("SELECT count(*), sum(cash_cents), sum(shares) FROM ledger WHERE kind = 'trade'")).one()
        open_orders = tx.execute(text("SELECT order_id FROM orders WHERE status IN ('new', 'partially_filled')"))
        assert {row.order_id for row in open_orders} == resting_orders(exchange)
    assert legs == (2 * len(trades_of(batches)), 0, 0)
    assert depth(broker, DEAD_LETTER) == 0


def test_a_unit_that_meets_a_deadlock_is_settled_afterwards(
    broker: Connection, publisher: Publisher, exchange: Exchange, clearing_data: Database
) -> None:
    batches = one_trade(exchange)
    lock = "SELECT FROM accounts WHERE client_id = :client_id FOR UPDATE"
    with Worker(ORDER_EXECUTION) as worker:
        with clearing_data.transaction() as tx:
            # The worker, which locks ANN's account before BOB's, finds that each waits for the other; we wait longer.
            tx.execute(text("SET LOCAL deadlock_timeout = '1min'"))
            tx.execute(text(lock), {"client_id": "BOB"})
            send(publisher, *batches)
            wait_until_blocked(clearing_data)
            tx.execute(text(lock), {"client_id": "ANN"})
        assert reported(broker, 1) == trades_of(batches)
        assert "unit_delayed" in worker.log
        assert "deadlock detected" in worker.log
    with clearing_data.snapshot() as tx:
        assert tx.execute(text("SELECT count(*) FROM ledger WHERE kind = 'trade'")).scalar_one() == 2
    assert depth(broker, DEAD_LETTER) == 0


@pytest.mark.parametrize(
    "forgery",
    [
        {"buy_order_id": 999_999},
        {"seller": "CID"},
        {"price_cents": 1},  # under the id of a settled event
    ],
)
def test_35_a_forged_execution_is_a_dead_letter_and_an_alarm(
    broker: Connection, publisher: Publisher, exchange: Exchange, clearing_data: Database, forgery: dict[str, object]
) -> None:
    (batch,) = one_trade(exchange)
    (trade,) = trades_of([batch])
    next_batches = one_trade(exchange)
    event_id = trade.event_id if "price_cents" in forgery else trade.event_id + 1
    forged = ExecutionBatch(batch.shard, batch.matched_us, [replace(trade, event_id=event_id, **forgery)])
    send(publisher, batch, forged, *next_batches)
    with Worker(ORDER_EXECUTION) as worker:
        (dead,) = take(broker, DEAD_LETTER, 1)
        assert str(event_id) in str(dead.body)
        assert "execution_refused" in worker.log
        wait_until_settled(clearing_data, 2)  # the good ones before and after it
        assert worker.stop() == 0
    assert _settled(clearing_data) == 2
    assert depth(broker, ORDER_EXECUTION) == 0


def test_35_an_execution_of_nothing_is_a_dead_letter(
    broker: Connection, publisher: Publisher, exchange: Exchange, clearing_data: Database
) -> None:
    (batch,) = one_trade(exchange)
    (trade,) = trades_of([batch])
    send(publisher, ExecutionBatch(batch.shard, batch.matched_us, [replace(trade, quantity=0)]))
    with Worker(ORDER_EXECUTION):
        take(broker, DEAD_LETTER, 1)
    assert _settled(clearing_data) == 0


def test_broken_books_end_the_worker_and_keep_the_message(
    broker: Connection, publisher: Publisher, exchange: Exchange, clearing_data: Database
) -> None:
    batches = one_trade(exchange)
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE accounts SET held_cents = 0 WHERE client_id = 'ANN'"))
    with Worker(ORDER_EXECUTION) as worker:
        send(publisher, *batches)
        assert worker.wait() == INVARIANT_BROKEN_STATUS
        assert "invariant_broken" in worker.log
    take(broker, ORDER_EXECUTION, 1)
    assert depth(broker, DEAD_LETTER) == 0


def test_one_bad_execution_keeps_no_other_of_its_message_from_being_settled(
    broker: Connection, publisher: Publisher, exchange: Exchange, clearing_data: Database
) -> None:
    batches = [batch for _ in range(30) for batch in exchange.enter(exchange.requests(20))[0] if batch.shard == 0]
    executions = sorted((one for batch in batches for one in batch.executions), key=lambda one: one.event_id)
    trade = next(one for one in executions[20:] if isinstance(one, TradeMade))
    # The engine cannot have made it: nothing was held for as much.
    executions[executions.index(trade)] = replace(trade, price_cents=trade.buy_hold_cents + 1)
    covers = [coverage.commands(0, 1, 1_000)]
    send(publisher, ExecutionBatch(0, 1, executions, covers))
    with Worker(ORDER_EXECUTION) as worker:
        (dead,) = take(broker, DEAD_LETTER, 1, timeout_s=30)
        assert str(trade.event_id) in str(dead.body)
        assert "culprit_found" in worker.log
        assert worker.stop() == 0
    assert _settled(clearing_data) == len(executions) - 1
    with clearing_data.snapshot() as tx:
        found = db.coverage.read(tx)["matching", 0]
    # It can be seen that the one that is missing is missing, and that no other is.
    assert [one.event_id for one in executions if not coverage.holds(found, one.event_id)] == [trade.event_id]
    assert depth(broker, ORDER_EXECUTION) == depth(broker, DEAD_LETTER) == 0


def test_a_server_that_only_reads_is_waited_for_over_a_new_connection(
    broker: Connection, publisher: Publisher, exchange: Exchange, clearing_data: Database
) -> None:
    """As after a failover: the connection leads to what is the primary no more."""
    batches = one_trade(exchange)
    with Worker(ORDER_EXECUTION) as worker:
        send(publisher, *one_trade(exchange))
        wait_until_settled(clearing_data, 1)
        with only_reading(clearing_data):
            send(publisher, *batches)
            worker.wait_for_log("unit_delayed", count=2)
            assert "read-only transaction" in worker.log
            assert _settled(clearing_data) == 1
        wait_until_settled(clearing_data, 2)
        assert worker.stop() == 0
    assert depth(broker, ORDER_EXECUTION) == depth(broker, DEAD_LETTER) == 0


@contextmanager
def only_reading(clearing_data: Database) -> Iterator[None]:
    """Inside the block every new connection can only read; those of the workers are cut."""
    name = clearing_data.engine.url.database
    postgres = create_engine(clearing_data.engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with postgres.connect() as tx:
        tx.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
        tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = :worker AND datname = :database"
            ),
            {"worker": ORDER_EXECUTION, "database": name},
        )
        try:
            yield
        finally:
            tx.execute(text(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'))
    postgres.dispose()


def test_the_feed_gets_what_is_settled_and_where_there_was_nothing_to_settle(
    broker: Connection, publisher: Publisher, exchange: Exchange, clearing_data: Database
) -> None:
    batches = one_trade(exchange)
    first, second, third = (coverage.commands(0, seq, seq + 1) for seq in (1, 2, 3))
    with Worker(ORDER_EXECUTION):
        send(publisher, ExecutionBatch(0, 1, [], [first]))
        assert feeds(broker, 1)[0].covers == [first]
        send(publisher, replace(batches[0], covers=[second]), ExecutionBatch(0, 1, [], [third]))
        found = feeds(broker, 1)
        while coverage.merged(one for feed in found for one in feed.covers) != coverage.merged([second, third]):
            found += feeds(broker, 1)
        assert found[0].settled == trades_of(batches)
    with clearing_data.snapshot() as tx:
        assert db.coverage.read(tx) == {("matching", 0): coverage.merged([first, second, third])}


def feeds(connection: Connection, messages: int) -> list[FeedBatch]:
    """The next messages for the feed."""
    bodies = [_read_feed(message.body) for message in take(connection, DATA_FEED, messages)]
    return [batch for ((batches,), _, _) in bodies for batch in batches]
