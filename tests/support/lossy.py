"""The stages of the exchange in one process, over queues that lose the messages a test chooses.

Databases, rules and messages, with their coverage, are those of the stages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from celery_app.publisher import Parcel
from celery_app.topology import DATA_FEED, ORDER_EXECUTION, matching_queue
from db.clearing_data import snapshots
from db.connect import Database
from tasks.catch_up.begin import begin
from tasks.data_feed.record import record
from tasks.data_feed.rules.reports import reports_of
from tasks.matching.outbox import Outbox
from tasks.matching.rules.engine import Engine
from tasks.messages import CommandBatch, Event, ExecutionBatch, FeedBatch, Request, TradeFailed, TradeMade
from tasks.order_entry.admit import admit
from tasks.order_entry.rules.feed import with_reports
from tasks.order_execution.rules.clearing import once_each
from tasks.order_execution.settle import settle_once
from tasks.shared.rules import coverage
from tests.support.trading import LIMITS, NOW_US, Exchange, open_accounts

# The fields of a report, except the times of sending and storing.
Said = tuple[Any, ...]
SAID = (
    *("order_id", "report_id", "event_type", "confirmed", "client_id", "security_id", "side", "quantity"),
    *("price_cents", "reason", "event_us"),
)


class LossyExchange:
    """Delivers each message to its stage at once, or loses it.

    is_lost  returns whether a message is lost; None loses none
    """

    def __init__(self, clearing_data: Database, market_data: Database, *, seed: int = 1) -> None:
        open_accounts(clearing_data)
        self.clearing_data = clearing_data
        self.market_data = market_data
        self.requests = Exchange(clearing_data, seed=seed)
        self.engines = {shard: Engine(shard) for shard in range(2)}
        self._outboxes = {shard: Outbox(shard) for shard in range(2)}
        self.is_lost: Callable[[Parcel], bool] | None = None
        self.lost: list[Parcel] = []
        self.published = 0
        #: What all stages had to report, and all events of the engines.
        self.said: list[Said] = []
        self.events: list[Event] = []
        begin(clearing_data, market_data)

    # -- a broker, for the outboxes and the catch-up -------------------------------------------------------------

    def is_empty(self, _queue: str) -> bool:
        """Return True: no message ever waits."""
        return True

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        """Lose some messages, and deliver the others."""
        for parcel in parcels:
            self.published += 1
            if self.is_lost is not None and self.is_lost(parcel):
                self.lost.append(parcel)
            elif isinstance(parcel.batch, CommandBatch):
                self._outboxes[parcel.batch.shard].add_reports(parcel.batch)
            elif parcel.queue == ORDER_EXECUTION:
                assert isinstance(parcel.batch, ExecutionBatch)
                self._settle(parcel.batch)
            else:
                record(self.market_data, _feeds(parcel), taken_us=NOW_US)

    # -- the stages ----------------------------------------------------------------------------------------------

    def trade(self, requests: Sequence[Request], *, now_us: int) -> None:
        """Process requests as one batch."""
        admission = admit(self.clearing_data, requests, limits=LIMITS, now_us=now_us)
        asked_us: dict[int, int | None] = dict.fromkeys((report.event_id for report in admission.reports), None)
        commands, feeds = with_reports(admission.commands, admission.reports, asked_us, began_us=now_us, now_us=now_us)
        self._keep(*feeds)
        self.send_all([Parcel(DATA_FEED, feed, 1) for feed in feeds])
        for batch in commands:
            self._keep(*_feeds(Parcel(DATA_FEED, FeedBatch("matching", 0), 0, batch.reports)))
            engine, outbox = self.engines[batch.shard], self._outboxes[batch.shard]
            events = [
                event
                for seq, command in enumerate(batch.commands, batch.first_seq)
                for event in engine.apply(seq, command)
            ]
            self.events += events
            trades = [event for event in events if isinstance(event, TradeMade)]
            outbox.add(events)
            # Without its message the engine takes the commands from the log, and no worker has the reports.
            self.send_all([Parcel(matching_queue(batch.shard), batch, len(batch.commands))])
            outbox.add_books(engine.book_updates())
            outbox.send(_Copying(self), seq=engine.seq, began_us=now_us, now_us=now_us)
            self._keep(FeedBatch("order_execution", now_us, settled=trades))
        self.tick()

    def tick(self) -> None:
        """Do what the engines do once a second."""
        for shard, engine in self.engines.items():
            self._outboxes[shard].send(self, seq=engine.seq, began_us=NOW_US, now_us=NOW_US)
            self._outboxes[shard].cover(self, now_us=NOW_US)
            with self.clearing_data.transaction() as tx:
                snapshots.move_mark(tx, shard, engine.seq)

    def _settle(self, batch: ExecutionBatch) -> None:
        executions = once_each([batch])
        failed = settle_once(self.clearing_data, executions, batch.covers, settled_us=NOW_US)
        trades = [one for one in executions if isinstance(one, TradeMade)]
        feed = FeedBatch(
            "order_execution",
            NOW_US,
            settled=[trade for trade in trades if trade.event_id not in failed],
            failed=[TradeFailed(trade, failed[trade.event_id]) for trade in trades if trade.event_id in failed],
            covers=coverage.merged(batch.covers),
        )
        self.send_all([Parcel(DATA_FEED, feed, 1)])

    def _keep(self, *batches: FeedBatch) -> None:
        self.said += [tuple(getattr(one, name) for name in SAID) for one in reports_of(batches)]


def _feeds(parcel: Parcel) -> list[FeedBatch]:
    assert isinstance(parcel.batch, FeedBatch)
    return [*(msgspec.json.decode(one, type=FeedBatch) for one in parcel.first), parcel.batch]


class _Copying:
    """Keeps the engine's messages to the feed."""

    def __init__(self, exchange: LossyExchange) -> None:
        self._exchange = exchange

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        self._exchange._keep(*(parcel.batch for parcel in parcels if isinstance(parcel.batch, FeedBatch)))
        self._exchange.send_all(parcels)
