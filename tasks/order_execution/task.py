"""The stage order_execution: executions in, settled trades out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cache

import structlog

from celery_app import app, fail_points
from celery_app.publisher import Parcel, Publisher
from celery_app.settings import settings
from celery_app.stage import InvariantBroken, Stage
from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from db.clearing_data.settlement import BooksBroken
from db.connect import Database
from tasks.messages import ExecutionBatch, FeedBatch, TradeFailed, TradeMade
from tasks.order_execution.clearing import ExecutionRefused, once_each
from tasks.order_execution.settle import settle_once

log = structlog.get_logger()

# Trades in one message to the feed.
MAX_BATCH = 2_000


@app.task(name=ORDER_EXECUTION, base=Stage)
def settle(batches: list[ExecutionBatch]) -> None:
    """Settle the executions of all delivered messages: once, both legs, or not at all.

    What was settled before is reported again, for its message may have come again because the report was lost.
    """
    began_us = _now_us()
    try:
        executions = once_each(batches)
        failed = settle_once(_clearing_data(), executions, settled_us=began_us)
    except ExecutionRefused as refusal:
        # Only the engine sends executions, and none that can be refused: somebody ought to look. The message ends in
        # the dead letters, and the worker lives.
        log.critical("execution_refused", reason=str(refusal), messages=len(batches))
        raise
    except BooksBroken as broken:
        # The executions fit the orders they name, and what is held is what open orders need. So it is not a message
        # that is wrong but our own books, and whatever is settled next would be wrong, too.
        raise InvariantBroken(str(broken)) from broken
    fail_points.reach("order_execution.committed")
    trades = [execution for execution in executions if type(execution) is TradeMade]
    if failed:
        # The trades are undone as the rules say, but somebody closed an account that was trading.
        events = sorted(failed)
        log.critical("trades_failed", trades=len(failed), reason=failed[events[0]], events=events[:10])
    _publisher().send_all(
        [_parcel(trades[start : start + MAX_BATCH], failed, began_us) for start in range(0, len(trades), MAX_BATCH)]
    )


def _parcel(trades: Sequence[TradeMade], failed: Mapping[int, str], began_us: int) -> Parcel:
    """What the feed is told: the trades that were settled, and those that failed with the reason."""
    settled = [trade for trade in trades if trade.event_id not in failed]
    undone = [TradeFailed(trade, failed[trade.event_id]) for trade in trades if trade.event_id in failed]
    feed = FeedBatch(stage="order_execution", sent_us=_now_us(), settled=settled, failed=undone, began_us=began_us)
    return Parcel(DATA_FEED, feed, len(trades))


@cache
def _clearing_data() -> Database:
    return Database(settings().clearing_data_url.get_secret_value(), application_name=ORDER_EXECUTION)


@cache
def _publisher() -> Publisher:
    return Publisher(app)


def _now_us() -> int:
    return time.time_ns() // 1_000
