"""An exchange that has traded, with everything settled and stored, and a snapshot of each engine."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from kombu import Connection
from sqlalchemy import text

from db.clearing_data import snapshots
from db.clearing_data.clearing.fees import set_rates
from db.clearing_data.clients.states import close
from db.connect import Database
from tasks.data_feed.record import record
from tasks.matching.rules.state import digest, encode
from tasks.messages import ExecutionBatch, FeedBatch, Request, TradeFailed, TradeMade
from tasks.order_execution.rules.clearing import once_each
from tasks.order_execution.settle import settle_once
from tests.support.trading import CLIENTS, NOW_US, Exchange, open_accounts


class Traded:
    """The exchange and both databases; a test can also take each step alone, and leave out the next."""

    def __init__(self, clearing_data: Database, market_data: Database) -> None:
        self.clearing_data = clearing_data
        self.market_data = market_data
        open_accounts(clearing_data)
        self.exchange = Exchange(clearing_data, seed=7)
        self.failed: dict[int, str] = {}

    def settle(self, batches: Sequence[ExecutionBatch]) -> None:
        self.failed |= settle_once(self.clearing_data, once_each(batches), settled_us=NOW_US)

    def store(self, batches: Sequence[FeedBatch]) -> None:
        record(self.market_data, batches, taken_us=NOW_US)

    def trade(self, requests: Sequence[Request]) -> None:
        """Take requests through all stages."""
        executions, feed = self.exchange.enter(requests)
        self.settle(executions)
        self.store([*feed, self.settlements(executions)])

    def settlements(self, executions: Sequence[ExecutionBatch]) -> FeedBatch:
        """Return what order execution reports of settled executions."""
        trades = [one for batch in executions for one in batch.executions if isinstance(one, TradeMade)]
        settled = [trade for trade in trades if trade.event_id not in self.failed]
        failed = [TradeFailed(trade, self.failed[trade.event_id]) for trade in trades if trade.event_id in self.failed]
        return FeedBatch("order_execution", NOW_US, settled=settled, failed=failed)

    def write_snapshots(self) -> None:
        for shard, engine in self.exchange.engines.items():
            body = encode(engine.state())
            with self.clearing_data.transaction() as tx:
                snapshots.write(tx, shard, seq=engine.seq, state_hash=digest(body).hex(), body=body, now_us=NOW_US)


@pytest.fixture
def traded(clearing_data: Database, market_data: Database, broker: Connection) -> Traded:
    traded = Traded(clearing_data, market_data)
    for _ in range(4):
        traded.trade(traded.exchange.requests(60))
    traded.write_snapshots()
    traded.trade(traded.exchange.requests(60))
    return traded


@pytest.fixture
def eventful(traded: Traded) -> Traded:
    """Return an exchange with fees, every kind of request, a closed account, and pending replacements."""
    with traded.clearing_data.transaction() as tx:
        assert {row.kind for row in tx.execute(text("SELECT kind FROM ledger"))} == {"issue", "deposit", "trade"}
    traded.trade([traded.exchange.mass_cancel(client, shard=shard) for client in CLIENTS for shard in (0, 1)])
    with traded.clearing_data.transaction() as tx:
        for security_id in ("MSFT", "AAPL"):
            assert set_rates(tx, security_id, maker_ppm=-150, taker_ppm=400, now_us=NOW_US) == "set"
    for _ in range(6):
        traded.trade(traded.exchange.every_kind(60))
    traded.write_snapshots()
    # Trades that are matched and not settled when the account is closed fail.
    executions, feed = traded.exchange.enter(traded.exchange.every_kind(120))
    with traded.clearing_data.transaction() as tx:
        assert close(tx, "DOT")
    traded.settle(executions)
    traded.store([*feed, traded.settlements(executions)])
    traded.trade([traded.exchange.mass_cancel("DOT", shard=shard) for shard in (0, 1)])
    traded.trade(traded.exchange.every_kind(60))
    return traded
