"""Orders that RabbitMQ may or may not have: the api answered 503 `unknown_outcome`, or was killed before it answered.

An order with a client order id is promised to its client, who may believe that it was placed and never ask again. So
this process sends such an order until RabbitMQ confirms it, which does no harm if RabbitMQ has it already: order entry
decides an order once. If this process is killed, the next one sends it. An order without a client order id is promised
nothing, and is not sent again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice

import gevent
import structlog

from api.orders.intake.promises import still_promised
from api.orders.intake.unfinished import Unfinished
from api.request.databases import reading
from api.wire.problems import Problem
from celery_app.clock import now_us
from db.clearing_data.log.undecided import undecided
from db.connect import Database
from tasks.messages import OrderRequest, Request

log = structlog.get_logger()

SEND_EVERY_S = 2.0
# One message has at most this many orders, the oldest first.
MOST_AT_ONCE = 1_000
# The api remembers at most this many orders of each kind; each takes about 300 bytes.
MOST_REMEMBERED = 100_000
# An order without a client order id is forgotten after this time [us].
UNPROMISED_KEPT_US = 3_600_000_000

Send = Callable[[Sequence[OrderRequest]], None]


class UncertainOrders:
    """The orders of this process whose outcome is unknown; each reads as pending, and never as overdue.

    unfinished  has those of processes that have ended, and these for the next one
    """

    def __init__(self, clearing_data: Database, unfinished: Unfinished) -> None:
        self._clearing_data = clearing_data
        self._unfinished = unfinished
        # Two, so that orders which only wait for their time do not hold up those to send.
        self._promised: dict[int, OrderRequest] = {}
        self._unpromised: dict[int, OrderRequest] = {}
        # From processes that have ended, before or after they promised them.
        self._left = {order.order_id: order for order in unfinished.orders}

    def remember(self, requests: Iterable[Request]) -> None:
        """Remember the orders among these requests."""
        orders = [request for request in requests if isinstance(request, OrderRequest)]
        promised = {order.order_id: order for order in orders if order.client_order_id is not None}
        self._promised |= promised
        self._unpromised |= {order.order_id: order for order in orders if order.client_order_id is None}
        self._unfinished.note_uncertain(promised.values())
        if len(self._promised) > MOST_REMEMBERED:
            self._unfinished.forget_uncertain(_forget_some(self._promised))
        if len(self._unpromised) > MOST_REMEMBERED:
            _forget_some(self._unpromised)

    def order(self, order_id: int) -> OrderRequest | None:
        """Return the order with this id if its outcome is unknown, otherwise None."""
        return self._promised.get(order_id) or self._unpromised.get(order_id) or self._left.get(order_id)

    def run(self, send: Send) -> None:
        """Send the orders again for ever; while Postgres or RabbitMQ is unreachable, everything stays as it is.

        send  queues orders as one message and takes responsibility for them; raises Problem (503)
        """
        while True:
            try:
                self.take_over()
                self.send_again(send)
                self.forget_unpromised()
            except Problem as problem:
                log.warning("uncertain_orders_not_sent", orders=len(self._promised), fault=problem.detail)
            gevent.sleep(SEND_EVERY_S)
            self._unfinished.forget_done()

    def take_over(self) -> None:
        """Take the orders that other processes promised, and drop those that they did not. Raises Problem (503)."""
        while left := list(islice(self._left.values(), MOST_AT_ONCE)):
            promised = still_promised(self._clearing_data, left)
            self.remember(promised)
            _drop(self._left, [order.order_id for order in left])
            kept = {order.order_id for order in promised}
            self._unfinished.forget_uncertain(order.order_id for order in left if order.order_id not in kept)

    def send_again(self, send: Send) -> None:
        """Drop the promised orders that order entry has decided, and send the others.

        raises  Problem  503, and the orders stay
        """
        decided, left = self._compare(self._promised)
        self._forget_promised(decided)
        if left:
            send(left)
            log.info("uncertain_orders_sent", orders=len(left))
            self._forget_promised([order.order_id for order in left])

    def forget_unpromised(self) -> None:
        """Drop the other orders that order entry has decided, or that are old. Raises Problem (503)."""
        before_us = now_us() - UNPROMISED_KEPT_US
        decided, left = self._compare(self._unpromised)
        _drop(self._unpromised, [*decided, *(order.order_id for order in left)])
        # The young ones go behind those that were not compared.
        self._unpromised |= {order.order_id: order for order in left if order.received_us >= before_us}

    def _compare(self, orders: dict[int, OrderRequest]) -> tuple[list[int], list[OrderRequest]]:
        """Return which of the oldest orders order entry has decided, and the others of these."""
        oldest = list(islice(orders.values(), MOST_AT_ONCE))
        if not oldest:
            return [], []
        with reading(self._clearing_data) as tx:
            missing = undecided(tx, [order.order_id for order in oldest])
        decided = [order.order_id for order in oldest if order.order_id not in missing]
        return decided, [order for order in oldest if order.order_id in missing]

    def _forget_promised(self, order_ids: Collection[int]) -> None:
        _drop(self._promised, order_ids)
        self._unfinished.forget_uncertain(order_ids)


def _drop(orders: dict[int, OrderRequest], order_ids: Iterable[int]) -> None:
    for order_id in order_ids:
        orders.pop(order_id, None)


def _forget_some(orders: dict[int, OrderRequest]) -> list[int]:
    """Forget a tenth of the orders, always the oldest of the client with the most: no client crowds others out.

    returns  those that are forgotten
    """
    all_forgotten: list[int] = []
    while (excess := len(orders) - MOST_REMEMBERED * 9 // 10) > 0:
        ((client_id, _),) = Counter(order.client_id for order in orders.values()).most_common(1)
        theirs = (order_id for order_id, order in orders.items() if order.client_id == client_id)
        forgotten = list(islice(theirs, excess))
        _drop(orders, forgotten)
        log.warning("uncertain_orders_forgotten", client_id=client_id, orders=len(forgotten))
        all_forgotten += forgotten
    return all_forgotten
