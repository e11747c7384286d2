"""An exchange that has traded, all of it settled and stored, with a snapshot of each engine."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from db.clearing_data import snapshots
from db.connect import Database
from tasks.data_feed.record import record
from tasks.matching.state import digest, encode
from tasks.messages import ExecutionBatch, FeedBatch, TradeMade
from tasks.order_execution.clearing import once_each
from tasks.order_execution.settle import settle_once
from tests.support.trading import NOW_US, Exchange, Request, open_accounts


class Traded:
    """The exchange, and both databases; each step can also be taken alone, and then the next one is missing."""

    def __init__(self, clearing_data: Database, market_data: Database) -> None:
        self.clearing_data = clearing_data
        self.market_data = market_data
        open_accounts(clearing_data)
        self.exchange = Exchange(clearing_data, seed=7)

    def settle(self, batches: Sequence[ExecutionBatch]) -> None:
        settle_once(self.clearing_data, once_each(batches), settled_us=NOW_US)

    def store(self, batches: Sequence[FeedBatch]) -> None:
        record(self.market_data, batches, stored_us=NOW_US)

    def trade(self, requests: Sequence[Request]) -> None:
        """Let requests take their whole way."""
        executions, feed = self.exchange.enter(requests)
        self.settle(executions)
        settled = [one for batch in executions for one in batch.executions if isinstance(one, TradeMade)]
        self.store([*feed, FeedBatch("order_execution", NOW_US, settled=settled)])

    def write_snapshots(self) -> None:
        for shard, engine in self.exchange.engines.items():
            body = encode(engine.state())
            with self.clearing_data.transaction() as tx:
                snapshots.write(tx, shard, seq=engine.seq, state_hash=digest(body).hex(), body=body, now_us=NOW_US)


@pytest.fixture
def traded(clearing_data: Database, market_data: Database) -> Traded:
    traded = Traded(clearing_data, market_data)
    for _ in range(4):
        traded.trade(traded.exchange.requests(60))
    traded.write_snapshots()
    traded.trade(traded.exchange.requests(60))
    return traded
