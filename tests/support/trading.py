"""An exchange in one process, without queues, for tests of stored data.

The databases are real and the rules are those of the stages; only the test delivers messages, and may do so
late, twice or in another order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

from db.clearing_data import initial_data
from db.clearing_data.log.orders import next_order_ids
from db.connect import Database
from tasks.matching.rules.engine import Engine
from tasks.messages import (
    CancelRefused,
    CancelRequest,
    CommandBatch,
    Event,
    Execution,
    ExecutionBatch,
    FeedBatch,
    HaltRequest,
    MassCancelRequest,
    OrderClosed,
    OrderReplaced,
    OrderRequest,
    OrderTriggered,
    ReplaceRefused,
    ReplaceRequest,
    Request,
    SecurityEvent,
    Side,
    TradeMade,
)
from tasks.order_entry.admit import admit
from tasks.order_entry.rules.decide import Limits

NOW_US = 1_700_000_000_000_000
CLIENTS = ("ANN", "BOB", "CID", "DOT")
SECURITIES = ("MSFT", "AAPL", "TSLA")
SHARES = 5_000
CASH_CENTS = 50_000_000
LIMITS = Limits(market_order_band=Fraction(1, 10), max_order_quantity=1_000_000, max_open_orders=10_000)


def open_accounts(clearing_data: Database, *, shards: int = 2) -> None:
    """Load an empty database: every client has cash, and shares of every security but the last, which DTCC holds."""
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
    """Order entry and the engines on a database that `open_accounts` has loaded."""

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

    def move_clock(self, now_us: int) -> None:
        """Advance the clock."""
        self._now_us = now_us

    # -- requests ------------------------------------------------------------------------------------------------

    def order(self, side: str, client_id: str, quantity: int, price_cents: int | None, **terms: object) -> OrderRequest:
        """Return a request for an order of MSFT or of `security_id`; without a price it is a market order."""
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
        """Return a request to cancel an order."""
        return CancelRequest(next(self._ids), order.client_id, order.security_id, order.order_id, self._now_us)

    def replace(self, order: OrderRequest, *, quantity: int | None, price_cents: int | None) -> ReplaceRequest:
        """Return a request for other terms of an order."""
        return ReplaceRequest(
            next(self._ids),
            order.client_id,
            order.security_id,
            order.order_id,
            quantity,
            price_cents,
            self._now_us,
        )

    def mass_cancel(self, client_id: str, *, shard: int = 0, side: Side | None = None) -> MassCancelRequest:
        """Return a request to cancel all open orders of a client on a shard."""
        return MassCancelRequest(next(self._ids), client_id, shard, None, side, self._now_us)

    def halt(self, security_id: str, *, halted: bool) -> HaltRequest:
        """Return a request to halt a security, or to resume it."""
        return HaltRequest(next(self._ids), security_id, halted, self._now_us)

    def every_kind(self, count: int) -> list[Request]:
        """Return random requests: those of `requests`, replacements, stops, icebergs, mass cancels, halts."""
        return [self._any_request() for _ in range(count)]

    def _any_request(self) -> Request:
        chance = self._chance
        what = chance.random()
        if what < 0.2 and self._placed:
            return self.replace(
                self._placed[chance.randrange(len(self._placed))],
                quantity=chance.choice((None, chance.randint(1, 60))),
                price_cents=10_000 + chance.randint(-10, 10),
            )
        if what < 0.22:
            return self.mass_cancel(chance.choice(CLIENTS), shard=chance.choice((0, 1)))
        if what < 0.24:
            return self.halt(chance.choice(SECURITIES), halted=chance.random() < 0.3)
        if what < 0.4:
            side, stop_cents = chance.choice(("buy", "sell")), 10_000 + chance.randint(-5, 5)
            kind = chance.choice(("stop", "stop_limit"))
            price_cents = stop_cents + chance.randint(-3, 3) if kind == "stop_limit" else None
            return self.order(
                side,
                chance.choice(CLIENTS),
                chance.randint(1, 50),
                price_cents,
                security_id=chance.choice(SECURITIES),
                type=kind,
                stop_price_cents=stop_cents,
            )
        if what < 0.5:
            return self.order(
                chance.choice(("buy", "sell")),
                chance.choice(CLIENTS),
                chance.randint(10, 50),
                10_000 + chance.randint(-10, 10),
                security_id=chance.choice(SECURITIES),
                display_quantity=chance.randint(1, 9),
            )
        return self._request()

    def requests(self, count: int) -> list[Request]:
        """Return random requests: orders of every kind around 100.00, some too expensive, and cancels."""
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

    def sequenced(self, batches: Sequence[CommandBatch]) -> list[ExecutionBatch]:
        """Match what a tick has sequenced: the messages for order execution."""
        return [self._executions(batch.shard, self._match(batch)) for batch in batches]

    def _match(self, batch: CommandBatch) -> list[Event]:
        apply = self.engines[batch.shard].apply
        return [event for seq, command in enumerate(batch.commands, batch.first_seq) for event in apply(seq, command)]

    def _executions(self, shard: int, events: Sequence[Event]) -> ExecutionBatch:
        executions = [event for event in events if isinstance(event, Execution)]
        return ExecutionBatch(
            shard, self._now_us, executions, securities=[one for one in events if isinstance(one, SecurityEvent)]
        )

    def enter(self, requests: Sequence[Request]) -> tuple[list[ExecutionBatch], list[FeedBatch]]:
        """Admit and match requests; return the messages for order execution, and those for the feed."""
        self._now_us += 1_000
        admission = admit(self._clearing_data, requests, limits=LIMITS, now_us=self._now_us)
        executions = []
        feed = [FeedBatch("order_entry", self._now_us, orders=admission.reports)]
        for batch in admission.commands:
            engine = self.engines[batch.shard]
            events = self._match(batch)
            made = self._executions(batch.shard, events)
            if made.executions or made.securities:
                executions.append(made)
            feed.append(
                FeedBatch(
                    "matching",
                    self._now_us,
                    trades=_of(TradeMade, events),
                    closed=_of(OrderClosed, events),
                    refused=_of(CancelRefused, events),
                    books=engine.book_updates(),
                    replaced=_of(OrderReplaced, events),
                    replaces_refused=_of(ReplaceRefused, events),
                    triggered=_of(OrderTriggered, events),
                )
            )
        return executions, feed


E = TypeVar("E", bound=Event)


def _of(kind: type[E], events: Sequence[Event]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]
