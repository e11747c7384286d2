"""Random trades, closes, replacements and failures on a real Postgres: any order, any batches, several workers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg2.errors import DeadlockDetected
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from db.clearing_data.tables import FEE_HOLD
from db.connect import Database
from tasks.messages import Execution
from tasks.order_execution.settle import settle_once
from tests.support.replacing import Market
from tests.support.trading import NOW_US, open_accounts
from tests.tasks.order_execution.states import restorable, state

WORKERS = 3


def settle(clearing_data: Database, batch: Sequence[Execution]) -> None:
    """As a worker does: what met another transaction is tried again."""
    batch = sorted(batch, key=lambda one: one.event_id)
    while True:
        try:
            settle_once(clearing_data, batch, settled_us=NOW_US)
            return
        except DeadlockDetected:
            continue
        except OperationalError as fault:
            if not isinstance(fault.orig, DeadlockDetected):
                raise


def shuffled(executions: Sequence[Execution], chance: random.Random) -> list[list[Execution]]:
    """Every execution in batches in any order, many of them twice."""
    batches = [[one] for one in executions] + [chance.sample(executions, chance.randint(1, 40)) for _ in range(20)]
    chance.shuffle(batches)
    return batches


def found(clearing_data: Database, query: str) -> list[tuple[object, ...]]:
    with clearing_data.snapshot() as tx:
        return [tuple(row) for row in tx.execute(text(query))]


@pytest.mark.parametrize("seed", range(6))
def test_the_outcome_does_not_depend_on_order_repetition_or_workers(clearing_data: Database, seed: int) -> None:
    open_accounts(clearing_data)
    chance = random.Random(seed)
    executions = Market(clearing_data, seed=seed, fees=seed % 2 == 1).executions()
    if seed >= 2:
        with clearing_data.transaction() as tx:
            tx.execute(text("UPDATE accounts SET state = 'closed' WHERE client_id = 'CID'"))
    with restorable(clearing_data) as restore:
        settle(clearing_data, executions)
        at_once = state(clearing_data)
        restore()
        with ThreadPoolExecutor(max_workers=WORKERS) as workers:
            for batch in [workers.submit(settle, clearing_data, batch) for batch in shuffled(executions, chance)]:
                batch.result()
        assert state(clearing_data) == at_once
    check_books(clearing_data, failing=seed >= 2, fees=seed % 2 == 1)


def check_books(clearing_data: Database, *, failing: bool, fees: bool) -> None:
    """What has to hold once all is settled; and that what was to happen did."""
    kinds = dict(found(clearing_data, "SELECT kind, count(*) FROM executions GROUP BY kind"))
    expected = {"trade", "cancelled", "replaced", "replace_refused"} | ({"failed"} if failing else set())
    assert kinds.keys() == expected
    assert (("fee",) in found(clearing_data, "SELECT kind FROM ledger GROUP BY kind")) == fees
    assert found(clearing_data, "SELECT asset FROM ledger_postings GROUP BY asset HAVING sum(amount) <> 0") == []
    assert found(clearing_data, "SELECT * FROM pending_replaces") == []
    booked = "SELECT COALESCE(sum(amount), 0) FROM ledger_postings WHERE account = client_id AND asset ="
    assert found(clearing_data, f"SELECT * FROM accounts WHERE balance_cents <> ({booked} 'USD')") == []
    assert found(clearing_data, f"SELECT * FROM holdings WHERE shares <> ({booked} security_id)") == []
    opened = "FROM orders WHERE orders.client_id = one.client_id AND filled_quantity + closed_quantity < quantity"
    rest = "COALESCE(sum(quantity - filled_quantity - closed_quantity), 0)"
    cents = f"COALESCE(sum((quantity - filled_quantity - closed_quantity) * hold_cents + {FEE_HOLD}), 0)"
    for table, held, needed in (
        ("accounts", "held_cents", f"SELECT {cents} {opened} AND side = 'buy'"),
        ("holdings", "held", f"SELECT {rest} {opened} AND side = 'sell' AND orders.security_id = one.security_id"),
        ("accounts", "open_orders", f"SELECT count(*) {opened}"),
        ("accounts", "open_orders", "SELECT count(*) FROM open_orders WHERE open_orders.client_id = one.client_id"),
    ):
        assert found(clearing_data, f"SELECT * FROM {table} AS one WHERE {held} <> ({needed})") == [], held
    pending = "SELECT COALESCE(sum(amount), 0) FROM pending_transfers WHERE account = client_id AND asset ="
    assert found(clearing_data, f"SELECT * FROM accounts WHERE held_cents <> ({pending} 'USD')") == []
    assert found(clearing_data, f"SELECT * FROM holdings WHERE held <> ({pending} security_id)") == []
    earned = found(clearing_data, "SELECT balance_cents FROM accounts WHERE client_id = 'EXCHANGE'")
    assert (earned > [(0,)]) == fees
