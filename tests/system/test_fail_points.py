"""A worker of all stages dies at each fail point in turn; at the end the audit passes."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator

import pytest
from kombu import Connection
from sqlalchemy import text

from celery_app.fail_points import POINTS
from celery_app.publisher import Publisher
from celery_app.settings import settings
from celery_app.topology import DEAD_LETTER, ORDER_ENTRY, task_queues
from db.clearing_data.clients import accounts
from db.connect import Database
from tasks.audit.audit import audit
from tasks.messages import (
    BandRequest,
    DelistRequest,
    EntryBatch,
    ListRequest,
    PhaseRequest,
    Request,
    SettleRequest,
    Tick,
)
from tests.support.broker import depth
from tests.support.entry import cancel, order
from tests.support.worker import Worker
from tests.system.test_phase_fail_points import POINTS_OF_A_PHASE

CLIENTS = ("ANN", "BOB", "CID")
SECURITIES = ("MSFT", "AAPL")  # of two shards
SETTLED = "TSLA"
MESSAGES = 3
SIZE = 8
PATIENCE_S = 60.0

# Other tests cover the fail points of the api, of matching and of a move, and compare bytes, and those of a change of
# phase.
OTHER_POINTS = [
    point
    for point in POINTS
    if not point.startswith(("api.", "matching.", "moving.", "publisher.")) and point not in POINTS_OF_A_PHASE
]


@pytest.fixture
def traders(clearing_data: Database) -> None:
    """Open accounts that can pay for all orders."""
    with clearing_data.transaction() as tx:
        for client_id in CLIENTS:
            accounts.open_account(tx, client_id, now_us=1)
            accounts.deposit_cash(tx, client_id, f"cash:{client_id}", amount_cents=10**9, now_us=1)
            for security_id in (*SECURITIES, SETTLED):
                transfer_id = f"shares:{client_id}:{security_id}"
                accounts.deposit_shares(tx, client_id, transfer_id, security_id=security_id, quantity=10_000, now_us=1)


def requests(seed: int) -> Iterator[Request]:
    """Return orders around 100.00, and cancels of some of them."""
    chance = random.Random(seed)
    number = 0
    while True:
        number += 1
        if number > 10 and chance.random() < 0.2:
            client_id, security_id = chance.choice(CLIENTS), chance.choice(SECURITIES)
            yield cancel(number, number - chance.randint(1, 9), client_id=client_id, security_id=security_id)
            continue
        yield order(
            number,
            client_id=chance.choice(CLIENTS),
            security_id=chance.choice(SECURITIES),
            side=chance.choice(("buy", "sell")),
            quantity=chance.randint(1, 9),
            price_cents=10_000 + chance.randint(-5, 5),
        )


def of_the_day(numbers: Iterator[int], turn: int) -> Iterator[EntryBatch]:
    """What changes a security: bands, auctions that are over at the next tick, and once each the ends of two."""
    security_id = SECURITIES[turn % 2]
    yield EntryBatch([BandRequest(next(numbers), security_id, 500_000, 5)])
    yield EntryBatch([PhaseRequest(next(numbers), security_id, "auction", 1, 5)])
    yield EntryBatch([order(next(numbers), client_id="ANN", time_in_force="gtd", expires_us=NEXT_CENTURY_US)])
    if turn == 0:
        yield EntryBatch([ListRequest(next(numbers), "ACME", 5_000, 1, 1, 10**6, 100, 0, 0, None, 5)])
        yield EntryBatch([order(next(numbers), client_id="CID", security_id=SETTLED, quantity=3)])
    if turn == 1:
        yield EntryBatch([DelistRequest(next(numbers), "ACME", 5)])


NEXT_CENTURY_US = 4_200_000_000_000_000


@pytest.mark.usefixtures("traders")
def test_a_worker_of_all_stages_dies_at_each_point_and_nothing_is_lost(
    clearing_data: Database, market_data: Database, broker: Connection, publisher: Publisher
) -> None:
    stream = requests(1)
    queues = [queue.name for queue in task_queues()]
    numbers = iter(range(100_000, 200_000))
    with clearing_data.transaction() as tx:
        tx.execute(text("SELECT setval('order_ids', 1000001)"))
    sent = 0
    for turn, point in enumerate([*OTHER_POINTS, ""]):
        batches = [EntryBatch([next(stream) for _ in range(SIZE)]) for _ in range(MESSAGES)]
        batches += of_the_day(numbers, turn)
        if point == "order_execution.final_settlement_booked":
            batches.append(EntryBatch([SettleRequest(next(numbers), SETTLED, "end", 1_234, 5)]))
        for batch in (*batches, EntryBatch([Tick()])):
            publisher.send(ORDER_ENTRY, batch, size=len(batch.requests))
        sent += sum(len(batch.requests) for batch in batches)
        worker = Worker(*queues, environment={"FAIL_POINT": point})
        worker.launch()
        if point:
            assert worker.wait() == -signal.SIGKILL, point
            assert f"event=fail_point_reached point={point}" in worker.log
            worker.teardown()
    try:
        worker.wait_ready()
        publisher.send(ORDER_ENTRY, EntryBatch([Tick()]), size=1)  # as the scheduler does, again and again
        await_the_day(clearing_data)
        found = audit(
            clearing_data,
            market_data,
            broker_url=settings().broker_url.get_secret_value(),
            patience_s=PATIENCE_S,
        )
        assert found.passed, [rule for rule in found.rules if not rule.passed]
        assert all(rule.checked for rule in found.rules)
        assert worker.stop() == 0
    finally:
        worker.teardown()
    with clearing_data.snapshot() as tx:
        decided = "SELECT (SELECT count(*) FROM order_log) + (SELECT count(*) FROM denials)"
        by_ticks = tx.execute(text("SELECT count(*) FROM order_log WHERE command_id > 1000000")).scalar_one()
        assert by_ticks > 0
        assert tx.execute(text(decided)).scalar_one() - by_ticks == sent
        phases = dict(tx.execute(text("SELECT security_id, phase FROM securities")).all())
    assert phases == {
        "MSFT": "continuous",
        "AAPL": "continuous",
        "TSLA": "settled",
        "JPM": "continuous",
        "SHEL": "continuous",
        "ACME": "closed",
    }
    assert depth(broker, DEAD_LETTER) == 0


def await_the_day(clearing_data: Database) -> None:
    """Wait until no auction is over that a tick has not ended, and the settled security is settled."""
    deadline = time.monotonic() + 10 * PATIENCE_S
    query = text(
        "SELECT count(*) FROM securities "
        "WHERE phase_ends_us IS NOT NULL OR (settlement_cents IS NOT NULL AND phase <> 'settled')"
    )
    while True:
        with clearing_data.snapshot() as tx:
            if not tx.execute(query).scalar_one():
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)
