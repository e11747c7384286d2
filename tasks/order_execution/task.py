"""The stage order_execution: executions in, settled trades out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import structlog

from celery_app import app, fail_points
from celery_app.clock import now_us
from celery_app.faults import InvariantBroken
from celery_app.publisher import Parcel
from celery_app.settings import settings
from celery_app.stage import Stage
from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from db import coverage as covered
from db.clearing_data.clearing.settlement import BooksBroken
from tasks.messages import Execution, ExecutionBatch, FeedBatch, TradeFailed, TradeMade
from tasks.order_execution import margin
from tasks.order_execution.rules.clearing import ExecutionRefused, once_each
from tasks.order_execution.securities import events_of, record, settle_due
from tasks.order_execution.settle import settle_once
from tasks.services import clearing_data, publisher
from tasks.shared.rules import coverage
from tasks.shared.rules.coverage import Interval

log = structlog.get_logger()

# Trades in one message to the feed.
MAX_BATCH = 2_000


class Settlement(Stage):
    """The task of the stage. Between batches it reports events with nothing to settle, and merges covered intervals."""

    abstract = True

    def __init__(self) -> None:
        # Settled events, none of them a trade, that the feed has not heard about yet.
        self._untold: list[Interval] = []
        self._covered = False  # since the last merge

    def tick(self) -> None:
        """Do the periodic work; called about once a second."""
        untold = coverage.merged(self._untold)
        if untold:
            publisher().send_all([Parcel(DATA_FEED, FeedBatch("order_execution", now_us(), covers=untold), 0)])
            self._untold = []
        if self._covered:
            with clearing_data(ORDER_EXECUTION).transaction() as tx:
                covered.merge(tx)
            self._covered = False
        margin.check_all(clearing_data(ORDER_EXECUTION), now_us=now_us())
        for security_id in settle_due(clearing_data(ORDER_EXECUTION), now_us=now_us()):
            log.info("security_settled", security_id=security_id)

    def handle(self, batches: list[ExecutionBatch]) -> None:
        """Settle the executions of all delivered messages, and report the trades."""
        began_us = now_us()
        covers = coverage.merged(interval for batch in batches for interval in batch.covers)
        happened = events_of(batches, volatility_auction_us=_volatility_auction_us())
        if happened:
            # Before the executions, whose transaction records that everything up to here is done.
            record(clearing_data(ORDER_EXECUTION), happened)
        executions, failed = _settle(batches, covers, began_us)
        self._covered = self._covered or bool(covers)
        fail_points.reach("order_execution.committed")
        trades = [execution for execution in executions if type(execution) is TradeMade]
        if failed:
            # The rules say to fail these trades, but it means that an account was closed while it was trading.
            events = sorted(failed)
            log.critical("trades_failed", trades=len(failed), reason=failed[events[0]], events=events[:10])
        if trades:
            covers, untold = coverage.merged([*covers, *self._untold]), []
        else:
            untold = coverage.merged([*covers, *self._untold])
        publisher().send_all(_parcels(trades, covers, failed, began_us))
        self._untold = untold

    def halves(self, batch: ExecutionBatch) -> tuple[ExecutionBatch, ExecutionBatch] | None:
        """Divide the executions: their changes are differences, so they may be settled one by one.

        If a single event remains, the culprit, no event around it counts as covered.
        """
        executions = sorted(batch.executions, key=lambda execution: execution.event_id)
        middle = len(executions) // 2
        if not middle or executions[middle - 1].event_id == executions[middle].event_id:
            return None
        at = executions[middle].event_id
        first = coverage.clipped(batch.covers, 0, at)
        second = coverage.clipped(batch.covers, at, coverage.LAST)
        return (
            ExecutionBatch(batch.shard, batch.matched_us, executions[:middle], first, batch.securities),
            ExecutionBatch(batch.shard, batch.matched_us, executions[middle:], second, batch.securities),
        )


@app.task(name=ORDER_EXECUTION, base=Settlement, bind=True)
def settle(self: Settlement, batches: list[ExecutionBatch]) -> None:
    """Settle the executions of all delivered messages: once, both legs, or not at all.

    Executions that were settled before are reported again: the message may have come again because the report was lost.
    """
    self.handle(batches)


def _settle(
    batches: list[ExecutionBatch], covers: list[Interval], settled_us: int
) -> tuple[list[Execution], dict[int, str]]:
    """Settle the batches' executions; return them, and the reasons of the trades that failed by event id."""
    try:
        executions = once_each(batches)
        failed = settle_once(
            clearing_data(ORDER_EXECUTION),
            executions,
            covers,
            settled_us=settled_us,
            on_buy_ins=margin.log_begun,
        )
    except ExecutionRefused as refusal:
        # Only the engine sends executions, and it sends none that can be refused, so a person should look. The message
        # goes to the dead letters, and the worker continues.
        log.critical("execution_refused", reason=str(refusal), messages=len(batches))
        raise
    except BooksBroken as broken:
        # The executions fit the orders they name, and the holds are what open orders need. So the message is right and
        # our own books are wrong, and everything settled from here on would be wrong, too.
        raise InvariantBroken(str(broken)) from broken
    return executions, failed


def _parcels(
    trades: Sequence[TradeMade], covers: Sequence[Interval], failed: Mapping[int, str], began_us: int
) -> list[Parcel]:
    """Return the messages to the feed, each of which covers all events up to where the next one begins."""
    starts = range(0, len(trades), MAX_BATCH)
    bounds = [0, *(trades[start].event_id for start in starts[1:]), coverage.LAST]
    return [
        _parcel(trades[start : start + MAX_BATCH], coverage.clipped(covers, begin, end), failed, began_us)
        for start, begin, end in zip(starts, bounds, bounds[1:], strict=False)
    ]


def _parcel(trades: Sequence[TradeMade], covers: list[Interval], failed: Mapping[int, str], began_us: int) -> Parcel:
    """Return a message to the feed: the settled trades, and the failed ones with their reasons."""
    settled = [trade for trade in trades if trade.event_id not in failed]
    undone = [TradeFailed(trade, failed[trade.event_id]) for trade in trades if trade.event_id in failed]
    feed = FeedBatch(
        stage="order_execution",
        sent_us=now_us(),
        settled=settled,
        failed=undone,
        began_us=began_us,
        covers=covers,
    )
    return Parcel(DATA_FEED, feed, len(trades))


@cache
def _volatility_auction_us() -> int:
    return round(settings().volatility_auction_s * 1_000_000)
