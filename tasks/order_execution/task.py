"""The stage order_execution: executions in, settled trades out."""

from __future__ import annotations

import time
from functools import cache

import structlog

from celery_app import app
from celery_app.publisher import Publisher
from celery_app.settings import settings
from celery_app.stage import InvariantBroken, Stage
from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from db.clearing_data import executions as register
from db.clearing_data import settlement as books
from db.connect import Database
from tasks.messages import Execution, ExecutionBatch, FeedBatch, TradeMade
from tasks.order_execution import clearing

log = structlog.get_logger()

# Trades in a message to the feed, at most.
MAX_BATCH = 2_000


@app.task(name=ORDER_EXECUTION, base=Stage)
def settle(batches: list[ExecutionBatch]) -> None:
    """Settle the executions of all delivered messages: once, both legs, or not at all.

    A message is reported also when it was settled before: it may have come again because its report was lost.
    """
    try:
        executions = clearing.once_each(batches)
        _settle_once(executions)
    except clearing.ExecutionRefused as refusal:
        # Nobody but the engine sends executions and it sends none that can be refused: somebody ought to look.
        log.critical("execution_refused", reason=str(refusal), messages=len(batches))
        raise
    except books.BooksBroken as broken:
        # What is held is what open orders need, and the executions fit their orders. So it is not the message that
        # is wrong but our own books, and whatever is settled next would be wrong, too.
        raise InvariantBroken(str(broken)) from broken
    trades = [execution for execution in executions if isinstance(execution, TradeMade)]
    for start in range(0, len(trades), MAX_BATCH):
        settled = trades[start : start + MAX_BATCH]
        feed = FeedBatch(stage="order_execution", sent_us=_now_us(), settled=settled)
        _publisher().send(DATA_FEED, feed, size=len(settled))


def _settle_once(executions: list[Execution]) -> None:
    """Settle those that are not settled yet, in one transaction.

    Almost always none is, so they are taken for new until the register says otherwise; then those that it knows are
    looked up first. It ends: each further turn means that another worker has settled one of them in between.
    """
    fresh = executions
    while fresh:
        try:
            with _clearing_data().transaction() as tx:
                register.register(tx, fresh, settled_us=_now_us())
                settlement = clearing.clear(fresh)
                books.lock_accounts(tx, settlement.accounts)
                orders = books.change_orders(tx, settlement.orders)
                closed = clearing.count_closed(settlement, orders)
                books.write(tx, settlement, closed, booked_us=_now_us())
            return
        except register.AlreadySettled:
            with _clearing_data().transaction() as tx:
                fresh = clearing.unsettled(executions, register.known(tx, executions))


@cache
def _clearing_data() -> Database:
    return Database(settings().clearing_data_url.get_secret_value(), application_name=ORDER_EXECUTION)


@cache
def _publisher() -> Publisher:
    return Publisher(app)


def _now_us() -> int:
    return time.time_ns() // 1_000
