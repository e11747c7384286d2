"""Every process dies at every change of phase, the scheduler included: the log leads to the same day.

The day's steps last an hour; the test lets each begin when all processes are armed for it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kombu import Connection
from sqlalchemy import text

from celery_app.publisher import Publisher
from celery_app.settings import settings
from celery_app.topology import DATA_FEED, DEAD_LETTER, ORDER_ENTRY, ORDER_EXECUTION, matching_queue
from db.clearing_data.clients import accounts
from db.clearing_data.listing import market
from db.clearing_data.log.order_log import read_commands
from db.connect import Database
from db.market_data import day_store
from tasks.audit.audit import audit
from tasks.messages import EntryBatch, Request, SetPhase
from tasks.shared.rules.market import Day, Market
from tests.support.broker import depth
from tests.support.entry import order
from tests.support.worker import Worker
from tests.system.test_accounting import settled_trades, trades_of_the_naive_book
from tests.tasks.scheduler.test_bell import now_us, scheduler

STAGES: Final = {
    "order_entry": (ORDER_ENTRY,),
    "matching": (matching_queue(0), matching_queue(1)),
    "order_execution": (ORDER_EXECUTION,),
    "data_feed": (DATA_FEED,),
}
# Where each process dies, change by change: at the beginning of the auction, and at its uncross.
CHANGES: Final = {
    "auction": {
        "scheduler": ["scheduler.ringing"],
        "order_entry": ["order_entry.tick_sequenced"],
        "matching": ["matching.phase_changed"],
        "order_execution": ["order_execution.security_recorded"],
        "data_feed": ["data_feed.phase_stored"],
    },
    "continuous": {
        "scheduler": ["scheduler.rung"],
        "order_entry": ["order_entry.tick_committed", "order_entry.tick_sent"],
        "matching": ["matching.phase_published"],
        "order_execution": ["order_execution.security_recorded"],
        "data_feed": ["data_feed.phase_stored"],
    },
}
POINTS_OF_A_PHASE: Final = {point for change in CHANGES.values() for points in change.values() for point in points}
# The orders that are sent in each phase, for each security.
ORDERS: Final[dict[str, list[dict[str, object]]]] = {
    "auction": [
        {"client_id": "ANN", "quantity": 10, "price_cents": 10_010},
        {"client_id": "BOB", "side": "sell", "quantity": 7, "price_cents": 9_990},
        {"client_id": "BOB", "side": "sell", "quantity": 5, "price_cents": 10_050, "time_in_force": "auction"},
    ],
    "continuous": [
        {"client_id": "BOB", "side": "sell", "price_cents": 10_000},
        {"client_id": "ANN", "price_cents": 9_000, "time_in_force": "day"},
    ],
}
BEHIND: Final = "SELECT count(*) FROM shards LEFT JOIN published_marks USING (shard) WHERE coalesce(seq, 0) < last_seq"
HOUR_US: Final = 3_600_000_000
SECURITIES: Final = ("MSFT", "AAPL")  # of two shards
PATIENCE_S: Final = 20.0
LONGEST_S: Final = 600.0


class Processes:
    """The workers of all stages; one that dies at its fail point is started again, as the supervisor does."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._points: dict[str, list[str]] = {}

    def arm(self, points: Mapping[str, Sequence[str]]) -> None:
        """Start all of them again, each to die at its points in turn."""
        self.stop()
        self._points = {stage: list(points[stage]) for stage in STAGES}
        for stage in STAGES:
            self._launch(stage)
        # A change of phase that the engine replays at its start does not reach its fail points.
        for worker in self._workers.values():
            worker.wait_ready()

    def revive(self) -> bool:
        """Restart the processes that died; return whether all have died at all of their points."""
        for stage, worker in self._workers.items():
            if worker.container.exit_status() is not None:
                point = self._points[stage].pop(0)
                assert worker.wait() == -signal.SIGKILL, worker.log
                assert f"event=fail_point_reached point={point}" in worker.log, worker.log
                worker.teardown()
                self._launch(stage)
        return not any(self._points.values())

    def stop(self) -> None:
        """Stop all of them as `make down` does, after they have acknowledged what they handled."""
        for worker in self._workers.values():
            os.kill(worker.pid, signal.SIGTERM)
        for worker in self._workers.values():
            worker.wait()
            worker.teardown()
        self._workers = {}

    def end(self) -> None:
        """End all of them."""
        for worker in self._workers.values():
            worker.teardown()

    def _launch(self, stage: str) -> None:
        point = next(iter(self._points[stage]), "")
        self._workers[stage] = Worker(*STAGES[stage], environment={"FAIL_POINT": point})
        self._workers[stage].launch()


@contextmanager
def processes() -> Iterator[Processes]:
    made = Processes()
    try:
        yield made
    finally:
        made.end()


def test_the_log_leads_to_the_same_day_wherever_processes_die(
    clearing_data: Database, market_data: Database, broker: Connection, publisher: Publisher, tmp_path: Path
) -> None:
    open_market(clearing_data)
    with processes() as of_stages:
        for phase, points in CHANGES.items():
            of_stages.arm(points)
            let_the_next_step_begin(clearing_data)
            with scheduler(tmp_path, FAIL_POINT=points["scheduler"][0]) as dying:
                assert dying.wait() == -signal.SIGKILL
            with scheduler(tmp_path):
                wait_until(lambda phase=phase: of_stages.revive() and is_everywhere(phase, clearing_data, market_data))
            publisher.send(ORDER_ENTRY, EntryBatch(orders(phase)), size=len(orders(phase)))
        let_the_next_step_begin(clearing_data)
        with scheduler(tmp_path):
            wait_until(lambda: of_stages.revive() and is_everywhere("closed", clearing_data, market_data))
        found = audit(
            clearing_data, market_data, broker_url=settings().broker_url.get_secret_value(), patience_s=PATIENCE_S
        )
        of_stages.stop()
    assert found.passed, [rule for rule in found.rules if not rule.passed]
    for shard in range(2):
        assert changes_in_the_log(clearing_data, shard) == ["auction", "continuous", "closed"]
    trades = trades_of_the_naive_book(clearing_data)
    assert trades == settled_trades(clearing_data)
    # The uncross, then one trade of continuous trading, in both securities.
    assert sorted((one.security_id, one.quantity, one.price_cents, one.aggressor_side) for one in trades) == [
        ("AAPL", 1, 10_010, "sell"),
        ("AAPL", 7, 10_010, None),
        ("MSFT", 1, 10_010, "sell"),
        ("MSFT", 7, 10_010, None),
    ]
    assert reasons(clearing_data) == {"day": "expired", "auction": "unfilled"}
    assert depth(broker, DEAD_LETTER) == 0


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def open_market(clearing_data: Database) -> None:
    """Let the day be one of three steps, and open accounts that can pay for all orders."""
    with clearing_data.transaction() as tx:
        market.set_terms(tx, Market(day=Day(HOUR_US, HOUR_US, 0, HOUR_US)))
        tx.execute(text("SELECT setval('order_ids', 1000001)"))
        for client_id in ("ANN", "BOB"):
            accounts.open_account(tx, client_id, now_us=1)
            accounts.deposit_cash(tx, client_id, f"cash:{client_id}", amount_cents=10**9, now_us=1)
            for security_id in SECURITIES:
                transfer_id = f"shares:{client_id}:{security_id}"
                accounts.deposit_shares(tx, client_id, transfer_id, security_id=security_id, quantity=1_000, now_us=1)


def let_the_next_step_begin(clearing_data: Database) -> None:
    """Let the current step of the day be over now; the first step begins by itself."""
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE trading_day SET step_ends_us = :now_us WHERE step IS NOT NULL"), {"now_us": now_us()})


def orders(phase: str) -> list[Request]:
    """Return the orders that are sent during a phase."""
    return [
        order(100 * len(phase) + 10 * place + number, security_id=security_id, **terms)
        for place, security_id in enumerate(SECURITIES)
        for number, terms in enumerate(ORDERS[phase])
    ]


def is_everywhere(phase: str, clearing_data: Database, market_data: Database) -> bool:
    """Return whether the register and the feed both have all securities in a phase, and the engines need no replay."""
    with clearing_data.snapshot() as tx:
        register = dict(tx.execute(text("SELECT security_id, phase FROM securities")).all())
        behind = tx.execute(text(BEHIND)).scalar_one()
    with market_data.snapshot() as tx:
        feed = {one.security_id: one.phase for one in day_store.phases(tx)}
    return register == feed == dict.fromkeys(register, phase) and not behind


def changes_in_the_log(clearing_data: Database, shard: int) -> list[str]:
    """Return the phases that the log gives each security of a shard; they are the same for all."""
    with clearing_data.snapshot() as tx:
        commands = [command for _, command in read_commands(tx, shard, after_seq=0, limit=10_000)]
    by_security: dict[str, list[str]] = {}
    for command in commands:
        if isinstance(command, SetPhase):
            by_security.setdefault(command.security_id, []).append(command.phase)
    first, *others = by_security.values()
    assert all(one == first for one in others)
    return first


def reasons(clearing_data: Database) -> dict[str, str]:
    """Return why orders were cancelled, by their time in force."""
    query = "SELECT DISTINCT time_in_force, reason FROM orders WHERE status = 'cancelled'"
    with clearing_data.snapshot() as tx:
        return dict(tx.execute(text(query)).all())
