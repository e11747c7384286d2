"""Orders that RabbitMQ may or may not have: the api answered 503 `unknown_outcome`.

An order with a client order id is promised to its client, who may believe that it was placed and never ask again. So
this process sends such an order until RabbitMQ confirms it, which does no harm if RabbitMQ has it already: order entry
decides an order once. An order without a client order id is promised nothing, and is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import gevent
import structlog

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
# The api remembers at most this many orders; each takes about 300 bytes.
MOST_REMEMBERED = 100_000
# An order without a client order id is forgotten after this time [us].
UNPROMISED_KEPT_US = 3_600_000_000

Send = Callable[[Sequence[OrderRequest]], None]


class UncertainOrders:
    """The orders of this process whose outcome is unknown; each reads as pending, and never as overdue."""

    def __init__(self, clearing_data: Database) -> None:
        self._clearing_data = clearing_data
        self._orders: dict[int, OrderRequest] = {}

    def remember(self, requests: Iterable[Request]) -> None:
        """Remember the orders among these requests."""
        for request in requests:
            if isinstance(request, OrderRequest):
                self._orders[request.order_id] = request
        forgotten = list(islice(self._orders, max(len(self._orders) - MOST_REMEMBERED, 0)))
        self._drop(forgotten)
        if forgotten:
            log.warning("uncertain_orders_forgotten", orders=len(forgotten))

    def order(self, order_id: int) -> OrderRequest | None:
        """Return an order of unknown outcome; None when there is none with this id, or its outcome is known."""
        return self._orders.get(order_id)

    def run(self, send: Send) -> None:
        """Send the orders again for ever; while Postgres or RabbitMQ is unreachable, everything stays as it is.

        send  queues orders as one message and takes responsibility for them; raises Problem (503)
        """
        while True:
            gevent.sleep(SEND_EVERY_S)
            try:
                self.send_again(send)
            except Problem as problem:
                log.warning("uncertain_orders_not_sent", orders=len(self._orders), fault=problem.detail)

    def send_again(self, send: Send) -> None:
        """Drop the orders that order entry has decided, and send the promised ones among the others.

        raises  Problem  503, and the orders stay
        """
        oldest = list(islice(self._orders.values(), MOST_AT_ONCE))
        if not oldest:
            return
        with reading(self._clearing_data) as tx:
            missing = undecided(tx, [order.order_id for order in oldest])
        self._drop(order.order_id for order in oldest if order.order_id not in missing)
        left = [order for order in oldest if order.order_id in missing]
        promised = [order for order in left if order.client_order_id is not None]
        if promised:
            send(promised)
            log.info("uncertain_orders_sent", orders=len(promised))
        self._drop(order.order_id for order in promised)
        before_us = now_us() - UNPROMISED_KEPT_US
        self._drop(order.order_id for order in left if order.received_us < before_us)

    def _drop(self, order_ids: Iterable[int]) -> None:
        for order_id in order_ids:
            self._orders.pop(order_id, None)
