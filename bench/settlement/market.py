"""A market to settle: orders, admitted and matched, with their executions in files."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

from sqlalchemy import text

from db.clearing_data import initial_data
from db.clearing_data.clients import accounts
from db.clearing_data.clients import limits as account_limits
from db.connect import Database
from tasks.data_feed.record import record
from tasks.matching.rules.engine import Engine
from tasks.messages import Execution, ExecutionBatch, FeedBatch, OrderClosed, OrderRequest, TradeMade, encode
from tasks.order_entry.admit import admit
from tasks.order_entry.rules.decisions import Limits

CLIENTS = tuple(f"BENCH{number}" for number in range(20))
SHARDS = 2
CASH_CENTS = 10**13
# Shares of each security for each client: enough for all orders that rest unmatched, so that clients can keep selling.
SHARES = 1_000_000
LIMITS = Limits(market_order_band=Fraction(1, 10), max_order_quantity=1_000_000, max_open_orders=10_000_000)


class Market:
    """Orders of twenty clients at a few prices, admitted and matched in batches."""

    def __init__(self, clearing_data: Database, market_data: Database | None, *, seed: int) -> None:
        self._clearing_data = clearing_data
        self._market_data = market_data
        self._chance = random.Random(seed)
        self._order_id = 0
        self._engines = {shard: Engine(shard) for shard in range(SHARDS)}

    def executions(self, orders: int) -> list[ExecutionBatch]:
        """Return the executions of further orders, one batch per shard; store the feed's share of them."""
        requests = [self._request() for _ in range(orders)]
        now_us = requests[-1].received_us
        admission = admit(self._clearing_data, requests, limits=LIMITS, now_us=now_us)
        batches: list[ExecutionBatch] = []
        reported = [FeedBatch("order_entry", now_us, orders=admission.reports)]
        for batch in admission.commands:
            engine = self._engines[batch.shard]
            made: list[Execution] = []
            for seq, command in enumerate(batch.commands, batch.first_seq):
                made += engine.apply(seq, command)  # type: ignore[arg-type]  # gtc limit orders have no other events
            batches.append(ExecutionBatch(batch.shard, now_us, made))
            trades = [one for one in made if isinstance(one, TradeMade)]
            closed = [one for one in made if isinstance(one, OrderClosed)]
            reported.append(
                FeedBatch("matching", now_us, trades=trades, closed=closed, books=engine.book_updates(), settled=trades)
            )
        if self._market_data is not None:
            record(self._market_data, reported, taken_us=now_us)
        return batches

    def _request(self) -> OrderRequest:
        chance = self._chance
        self._order_id += 1
        side = "buy" if self._order_id % 2 else "sell"
        return OrderRequest(
            self._order_id,
            chance.choice(CLIENTS),
            None,
            chance.choice(initial_data.SECURITIES),
            "limit",
            side,  # type: ignore[arg-type]
            chance.randint(1, 10),
            10_000 + chance.randint(-2, 3) * (1 if side == "buy" else -1),
            "gtc",
            False,
            1_700_000_000_000_000 + self._order_id,
        )


def fill(
    clearing_data: Database,
    market_data: Database | None,
    folder: Path,
    *,
    trades: int,
    batch_size: int,
    seed: int,
    short_sellers: int = 0,
) -> int:
    """Make trades, and write their executions to files of one batch each; return the number of files.

    short_sellers  the number of the twenty clients that have no shares and sell only borrowed ones
    """
    with clearing_data.transaction() as tx:
        initial_data.load(tx, shards=SHARDS, now_us=1, traders=(), shares={})
        shares = dict.fromkeys(initial_data.SECURITIES, SHARES)
        for security_id in shares:
            issue = f"bench:{security_id}"
            accounts.issue_shares(tx, issue, security_id=security_id, quantity=SHARES * len(CLIENTS), now_us=1)
        for client_id in CLIENTS:
            is_short = client_id in CLIENTS[:short_sellers]
            initial_data.open_trader(tx, client_id, cash_cents=CASH_CENTS, shares={} if is_short else shares, now_us=1)
            if is_short:
                account_limits.change(tx, client_id, {"short_limit": SHARES})
        more = {"shares": SHARES * len(CLIENTS)}
        tx.execute(text("UPDATE securities SET issued_shares = issued_shares + :shares"), more)
        tx.execute(text("SELECT setval('order_ids', 1000000000)"))
    market = Market(clearing_data, market_data, seed=seed)
    files = made = held = 0
    waiting: dict[int, list[Execution]] = {shard: [] for shard in range(SHARDS)}
    while made < trades:
        for batch in market.executions(500):
            for execution in batch.executions:
                waiting[batch.shard].append(execution)
                held += type(execution) is TradeMade
                if held == batch_size:
                    batches = [ExecutionBatch(shard, 0, executions) for shard, executions in waiting.items()]
                    (folder / f"{files}.json").write_bytes(encode(batches))
                    files, made, held = files + 1, made + held, 0
                    waiting = {shard: [] for shard in range(SHARDS)}
    rest = [ExecutionBatch(shard, 0, executions) for shard, executions in waiting.items()]
    (folder / f"{files}.json").write_bytes(encode(rest))
    return files + 1
