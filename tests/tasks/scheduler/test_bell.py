"""The scheduler as a real process: it rings, keeps nothing, survives kill -9, and several of it do no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from kombu import Connection
from sqlalchemy import text

from celery_app.publisher import Publisher
from celery_app.topology import DEAD_LETTER, ORDER_ENTRY, ORDER_EXECUTION, matching_queue
from db.clearing_data.clients import accounts
from db.clearing_data.listing import securities
from db.clearing_data.log.order_log import read_commands
from db.connect import Database
from tasks.audit.clearing.money import check_conservation, check_final_settlements
from tasks.messages import Command, EntryBatch, Expire, ListRequest, PhaseRequest, Request, SetPhase, SettleRequest
from tests.support.broker import depth
from tests.support.entry import assert_books_hold, order
from tests.support.worker import Worker

ROOT = Path(__file__).parents[3]
PATIENCE_S = 120.0
# After the end of any test.
PATIENCE_US = round(10 * PATIENCE_S * 1_000_000)


@contextmanager
def scheduler(folder: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Celery beat, started in a folder of its own."""
    # It keeps the past: the same database serves tests of other years.
    own = {"RUN_DIRECTORY": str(folder), "PYTHONPATH": str(ROOT), "KEEP_DAYS": "0"}
    environment: Mapping[str, str] = os.environ | own | variables
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_app", "beat"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def now_us() -> int:
    return time.time_ns() // 1_000


def logged(clearing_data: Database, shard: int = 0) -> list[Command]:
    with clearing_data.transaction() as tx:
        return [command for _, command in read_commands(tx, shard, after_seq=0, limit=100_000)]


def phase(clearing_data: Database, security_id: str = "MSFT") -> str | None:
    with clearing_data.transaction() as tx:
        return {one.security_id: one.phase for one in securities.listed(tx)}.get(security_id)


@pytest.fixture
def send(publisher: Publisher) -> Callable[..., None]:
    def put(*requests: Request) -> None:
        publisher.send(ORDER_ENTRY, EntryBatch(list(requests)), size=len(requests))

    return put


@pytest.fixture(autouse=True)
def numbers_behind_those_of_the_tests(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(text("SELECT setval('order_ids', 1000001)"))


def test_it_rings_also_after_it_was_killed_and_keeps_nothing(broker: Connection, tmp_path: Path) -> None:
    for _ in range(2):
        before = depth(broker, ORDER_ENTRY)
        with scheduler(tmp_path) as process:
            wait_until(lambda before=before: depth(broker, ORDER_ENTRY) >= before + 2)
            assert [file.name.partition("-")[0] for file in (tmp_path / "alive").iterdir()][-1:] == ["scheduler"]
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    assert [file.name for file in tmp_path.iterdir()] == ["alive"]


def test_two_of_it_end_an_auction_and_orders_once(
    broker: Connection, clearing_data: Database, send: Callable[..., None], tmp_path: Path
) -> None:
    send(
        PhaseRequest(1, "MSFT", "auction", 1_000_000, now_us()),
        order(2, time_in_force="gtd", expires_us=now_us() + 3_600_000_000),
        order(3, time_in_force="gtd", expires_us=now_us() + PATIENCE_US),
        order(4),
    )
    folders = [tmp_path / "a", tmp_path / "b"]
    with ExitStack() as running:
        for folder in folders:
            folder.mkdir()
            running.enter_context(scheduler(folder))
        for queue in (ORDER_ENTRY, ORDER_ENTRY, matching_queue(0), ORDER_EXECUTION):
            running.enter_context(Worker(queue))
        wait_until(lambda: phase(clearing_data) == "continuous")
        with clearing_data.transaction() as tx:
            tx.execute(text("UPDATE open_orders SET expires_us = 1 WHERE order_id = 3"))
        wait_until(lambda: is_closed(clearing_data, 3))
    commands = logged(clearing_data)
    assert [one.phase for one in commands if isinstance(one, SetPhase)] == ["auction", "continuous"]
    assert [one.order_ids for one in commands if isinstance(one, Expire)] == [[3]]
    assert not is_closed(clearing_data, 2)
    assert not is_closed(clearing_data, 4)
    assert depth(broker, DEAD_LETTER) == 0
    with clearing_data.transaction() as tx:
        assert tx.execute(text("SELECT reason FROM orders WHERE order_id = 3")).scalar_one() == "expired"
        assert_books_hold(tx)


def is_closed(clearing_data: Database, order_id: int) -> bool:
    with clearing_data.transaction() as tx:
        status = tx.execute(text("SELECT status FROM orders WHERE order_id = :id"), {"id": order_id}).scalar()
    return status == "cancelled"


def test_a_security_is_listed_under_load_trades_and_is_settled_without_a_restart(
    broker: Connection, clearing_data: Database, send: Callable[..., None]
) -> None:
    with ExitStack() as running:
        for queue in (ORDER_ENTRY, matching_queue(0), matching_queue(1), ORDER_EXECUTION):
            running.enter_context(Worker(queue))
        numbers = iter(range(1, 100_000))

        def load() -> None:
            sides = ("buy", "sell")
            send(*(order(next(numbers), side=sides[n % 2], client_id=("FLOOD", "RETAIL")[n % 2]) for n in range(200)))

        for _ in range(5):
            load()
        send(
            ListRequest(next(numbers), "ACME", 5_000, 1, 1, 1_000_000, 1_000, 0, 0, 100_000, now_us()),
            order(next(numbers), security_id="ACME", client_id="GAUSS", price_cents=5_000, quantity=7),
        )
        load()
        wait_until(lambda: phase(clearing_data, "ACME"))
        with clearing_data.transaction() as tx:
            assert (
                accounts.deposit_shares(tx, "UNIFORM", "acme", security_id="ACME", quantity=7, now_us=now_us())
                == "booked"
            )
        send(order(next(numbers), security_id="ACME", client_id="UNIFORM", side="sell", price_cents=5_000, quantity=7))
        for _ in range(5):
            load()

        def has_traded() -> bool:
            with clearing_data.transaction() as tx:
                return accounts.holding(tx, "GAUSS", "ACME").shares == 7

        wait_until(has_traded)
        send(SettleRequest(next(numbers), "ACME", "end", 6_000, now_us()))
        wait_until(lambda: phase(clearing_data, "ACME") == "settled")
    with clearing_data.transaction() as tx:
        assert accounts.account(tx, "GAUSS").balance_cents == 1_000_000 + 7 * (6_000 - 5_000)
        assert check_conservation(tx).findings == check_final_settlements(tx).findings == []
    assert depth(broker, DEAD_LETTER) == 0
