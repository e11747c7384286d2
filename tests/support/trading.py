"""An exchange in one process for tests of what is stored: the rules of the stages one after the other, no queues.

The databases are real and the rules are those of the stages; only the carrying is left to the test, which may do it
late, twice or in another order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

from db.clearing_data import initial_data
from db.clearing_data.orders import next_order_ids
from db.connect import Database
from tasks.matching.engine import Engine
from tasks.messages import CancelRequest, ExecutionBatch, FeedBatch, OrderClosed, OrderRequest, TradeMade
from tasks.order_entry.admit import admit
from tasks.order_entry.rules import Limits

NOW_US = 1_700_000_000_000_000
CLIENTS = ("ANN", "BOB", "CID", "DOT")
SECURITIES = ("MSFT", "AAPL", "TSLA")
SHARES = 5_000
CASH_CENTS = 50_000_000
LIMITS = Limits(market_order_band=Fraction(1, 10), max_order_quantity=1_000_000, max_open_orders=10_000)

Request = OrderRequest | CancelRequest


def open_accounts(clearing_data: Database, *, shards: int = 2) -> None:
    """Load an empty database: everybody has cash, and shares of every security but the last, which DTCC has."""
    with clearing_data.transaction() as tx:
        initial_data.load(
            tx,
            shards=shards,
            now_us=NOW_US,
            traders=CLIENTS,
            cash_cents=CASH_CENTS,
            shares=dict.fromkeys(SECURITIES[:-1], SHARES),
        )


class Exchange:
    """Order entry and the engines over a database that `open_accounts` has loaded."""

    def __init__(self, clearing_data: Database, *, shards: int = 2, seed: int = 1) -> None:
        self._clearing_data = clearing_data
        self._chance = random.Random(seed)
        self._now_us = NOW_US
        self._ids = self._new_ids()
        self._placed: list[OrderRequest] = []
        self.engines = {shard: Engine(shard) for shard in range(shards)}

    def _new_ids(self):
        while True:
            with self._clearing_data.transaction() as tx:
                block = next_order_ids(tx)
            yield from block

    # -- requests ------------------------------------------------------------------------------------------------

    def order(self, side: str, client_id: str, quantity: int, price_cents: int | None, **terms: object) -> OrderRequest:
        """A request for an order of MSFT, or of the `security_id` in the terms; without a price a market order."""
        request = OrderRequest(
            **{  # type: ignore[arg-type]
                "order_id": next(self._ids),
                "client_id": client_id,
                "client_order_id": None,
                "security_id": "MSFT",
                "type": "limit" if price_cents else "market",
                "side": side,
                "quantity": quantity,
                "price_cents": price_cents,
                "time_in_force": "gtc",
                "post_only": False,
                "received_us": self._now_us,
                **terms,
            }
        )
        self._placed.append(request)
        return request

    def cancel(self, order: OrderRequest) -> CancelRequest:
        """A request to cancel an order."""
        return CancelRequest(next(self._ids), order.client_id, order.security_id, order.order_id, self._now_us)

    def requests(self, count: int) -> list[Request]:
        """Random requests: orders of every kind around 100.00, some too large to be paid for, and cancels."""
        return [self._request() for _ in range(count)]

    def _request(self) -> Request:
        chance = self._chance
        if self._placed and chance.random() < 0.2:
            return self.cancel(self._placed.pop(chance.randrange(len(self._placed))))
        kind, time_in_force, post_only = chance.choice(
            [("limit", "gtc", False)] * 5
            + [("limit", "ioc", False), ("limit", "fok", False), ("limit", "gtc", True), ("market", "gtc", False)]
        )
        return self.order(
            chance.choice(("buy", "sell")),
            chance.choice(CLIENTS),
            10_000_000 if chance.random() < 0.02 else chance.randint(1, 50),
            None if kind == "market" else 10_000 + chance.randint(-10, 10),
            security_id=chance.choice(SECURITIES),
            time_in_force=time_in_force,
            post_only=post_only,
        )

    # -- the stages ----------------------------------------------------------------------------------------------

    def enter(self, requests: Sequence[Request]) -> tuple[list[ExecutionBatch], list[FeedBatch]]:
        """Admit requests and match what was admitted: the messages for order execution, and those for the feed."""
        self._now_us += 1_000
        admission = admit(self._clearing_data, requests, limits=LIMITS, now_us=self._now_us)
        executions = []
        feed = [FeedBatch("order_entry", self._now_us, orders=admission.reports)]
        for batch in admission.commands:
            engine = self.engines[batch.shard]
            events = [
                event
                for seq, command in enumerate(batch.commands, batch.first_seq)
                for event in engine.apply(seq, command)
            ]
            settleable = [event for event in events if isinstance(event, TradeMade | OrderClosed)]
            if settleable:
                executions.append(ExecutionBatch(batch.shard, self._now_us, settleable))
            feed.append(
                FeedBatch(
                    "matching",
                    self._now_us,
                    trades=[event for event in events if isinstance(event, TradeMade)],
                    closed=[event for event in events if isinstance(event, OrderClosed)],
                    refused=[event for event in events if not isinstance(event, TradeMade | OrderClosed)],
                    books=engine.book_updates(),
                )
            )
        return executions, feed
