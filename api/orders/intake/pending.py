"""Orders that the api answered with 202 and that order entry has not decided yet: they read as pending.

Once a second the api compares the older ones with the register of orders, and drops those that are decided. An order
that is still undecided after a while may have been lost with RabbitMQ's data: the log names it once, a metric counts
it, and it continues to read as pending, because it may still arrive.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import gevent
import structlog

from api.orders.intake.uncertain import UncertainOrders
from api.request.databases import reading
from api.wire.problems import Problem
from celery_app.clock import now_us
from db.clearing_data.log.undecided import undecided
from db.connect import Database
from tasks.messages import OrderRequest, Request

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
# The api compares at most this many orders at a time, the oldest first: a backlog makes no comparison longer.
MOST_AT_A_LOOK = 20_000
# Overdue orders are unlikely to arrive, so only every tenth comparison includes them.
OVERDUE_EVERY = 10
# The api remembers at most this many waiting and this many overdue orders; each takes about 300 bytes.
MOST_REMEMBERED = 200_000
# A line of the log names at most this many ranges of ids.
MOST_NAMED = 1_000


class PendingOrders:
    """The orders that this process has put on the queue and that order entry has not decided.

    uncertain        the orders that this process may have put there
    overdue_after_s  time after which the log names an undecided order
    """

    def __init__(self, clearing_data: Database, uncertain: UncertainOrders, *, overdue_after_s: float) -> None:
        self._clearing_data = clearing_data
        self._uncertain = uncertain
        self._overdue_after_us = int(overdue_after_s * 1e6)
        self._young: dict[int, OrderRequest] = {}  # queued since the last comparison
        self._waiting: dict[int, OrderRequest] = {}
        self._overdue: dict[int, OrderRequest] = {}
        self._looks = 0

    @property
    def overdue(self) -> int:
        """The number of overdue orders."""
        return len(self._overdue)

    def remember(self, requests: Iterable[Request]) -> None:
        """Remember the orders among these requests, which RabbitMQ has confirmed."""
        for request in requests:
            if isinstance(request, OrderRequest):
                self._young[request.order_id] = request

    def remember_uncertain(self, requests: Iterable[Request]) -> None:
        """Remember the orders among these requests, which RabbitMQ may have."""
        self._uncertain.remember(requests)

    def order(self, order_id: int) -> OrderRequest | None:
        """Return a pending order; None when this process did not queue it, or order entry has decided it.

        Call this before reading the register: an order that is dropped in between is in the register by then.
        """
        for orders in (self._young, self._waiting, self._overdue):
            if (found := orders.get(order_id)) is not None:
                return found
        return self._uncertain.order(order_id)

    def run(self) -> None:
        """Compare the orders with the register for ever; while Postgres is unreachable, everything stays as it is."""
        while True:
            gevent.sleep(LOOK_EVERY_S)
            try:
                self.look()
            except Problem as problem:
                log.warning("accepted_orders_not_compared", fault=problem.detail)

    def look(self) -> None:
        """Drop the decided orders, and log the overdue ones. Raises Problem (503)."""
        self._looks += 1
        looked_at = list(islice(self._waiting, MOST_AT_A_LOOK))
        if self._looks % OVERDUE_EVERY == 0:
            looked_at += self._overdue
        if looked_at:
            with reading(self._clearing_data) as tx:
                missing = undecided(tx, looked_at)
            self._drop(order_id for order_id in looked_at if order_id not in missing)
            self._name_overdue(order_id for order_id in looked_at if order_id in missing and order_id in self._waiting)
        # The next look compares these: by then nearly all are decided, and each order costs one comparison.
        young, self._young = self._young, {}
        self._waiting |= young
        if forgotten := _forget_oldest(self._waiting, MOST_REMEMBERED):
            log.warning("accepted_orders_forgotten", orders=forgotten)

    def _drop(self, order_ids: Iterable[int]) -> None:
        late = 0
        for order_id in order_ids:
            self._waiting.pop(order_id, None)
            late += self._overdue.pop(order_id, None) is not None
        if late:
            log.info("overdue_orders_decided", orders=late)

    def _name_overdue(self, order_ids: Iterable[int]) -> None:
        before_us = now_us() - self._overdue_after_us
        overdue = [order_id for order_id in order_ids if self._waiting[order_id].received_us < before_us]
        if overdue:
            self._overdue |= {order_id: self._waiting.pop(order_id) for order_id in overdue}
            _forget_oldest(self._overdue, MOST_REMEMBERED)
            log.error("orders_undecided", orders=len(overdue), order_ids=ranges(overdue))


def ranges(order_ids: Iterable[int]) -> str:
    """Return ids in short form, such as `3, 7-9`."""
    found: list[list[int]] = []
    for order_id in sorted(order_ids):
        if found and order_id == found[-1][1] + 1:
            found[-1][1] = order_id
        else:
            found.append([order_id, order_id])
    named = [f"{first}" if first == last else f"{first}-{last}" for first, last in found[:MOST_NAMED]]
    if len(found) > MOST_NAMED:
        named.append("…")
    return ", ".join(named)


def _forget_oldest(orders: dict[int, OrderRequest], most: int) -> int:
    """Keep the most recent orders, and return the number of those that were dropped."""
    forgotten = list(islice(orders, max(len(orders) - most, 0)))
    for order_id in forgotten:
        del orders[order_id]
    return len(forgotten)
