"""Order execution reports what it has committed, and nothing else."""

from __future__ import annotations

from kombu import Connection
from sqlalchemy import text

from celery_app.faults import INVARIANT_BROKEN_STATUS
from celery_app.publisher import Publisher
from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from db.connect import Database
from tests.support.broker import depth, take
from tests.support.trading import Exchange, open_accounts
from tests.support.worker import Worker


def test_nothing_is_reported_of_what_was_not_committed(
    broker: Connection, publisher: Publisher, clearing_data: Database
) -> None:
    open_accounts(clearing_data)
    exchange = Exchange(clearing_data)
    batches, _ = exchange.enter([exchange.order("sell", "BOB", 5, 9_990), exchange.order("buy", "ANN", 5, 9_990)])
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE accounts SET held_cents = 0 WHERE client_id = 'ANN'"))
    with Worker(ORDER_EXECUTION) as worker:
        for batch in batches:
            publisher.send(ORDER_EXECUTION, batch, size=len(batch.executions))
        assert worker.wait() == INVARIANT_BROKEN_STATUS
    take(broker, ORDER_EXECUTION, 1)
    assert depth(broker, DATA_FEED) == 0
