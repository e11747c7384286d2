"""Client order ids: each stands for one order for ever, however often and to whichever process the client sends it.

The api ties the client's own id to an order id before it queues the order. When the client sends the order again, for
example because the response was lost, it gets the same order id. The api may queue the order again without harm,
because order entry drops the orders that it has decided.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api.orders.intake.group_commit import CutOff, GroupCommit, NotBegun
from api.request.databases import reading
from api.wire.problems import Problem
from db.clearing_data.log import admission, orders
from db.connect import Database
from tasks.messages import OrderRequest
from tasks.order_entry.rules.terms import promised_terms_of

MOST_IN_A_TRANSACTION = 1_000


class OrderPromise:
    """An order with a client order id, and the order that this id turns out to stand for.

    order_id    id of this order or, if the client used its client order id before, of the first order
    same_terms  whether the first order has the same terms
    decided     whether order entry has decided the first order; always false when this order is the first
    """

    __slots__ = ("decided", "digest", "order", "order_id", "same_terms")

    def __init__(self, order: OrderRequest) -> None:
        self.order = order
        self.order_id = order.order_id
        self.digest = digest_of(order)
        self.same_terms = True
        self.decided = False

    @property
    def name(self) -> tuple[str, str]:
        """Client and client order id."""
        return self.order.client_id, str(self.order.client_order_id)

    @property
    def repeated(self) -> bool:
        """Whether the client used this client order id before."""
        return self.order_id != self.order.order_id


class Promises:
    """Keeps the promises in Postgres, in groups."""

    def __init__(self, clearing_data: Database) -> None:
        self._clearing_data = clearing_data
        self._group = GroupCommit(self._keep, abandon=lambda: True, most=MOST_IN_A_TRANSACTION)

    def keep(self, promises: Sequence[OrderPromise]) -> None:
        """Tie the client order ids to their orders, or look up the orders to which they are tied already.

        raises  Problem  503 not_accepted: nothing was queued, and the client may send the same ids again
        """
        try:
            self._group.submit(promises, size=len(promises))
        except (NotBegun, CutOff, OperationalError, InterfaceError, PoolTimeoutError):
            raise Problem(503, "not_accepted", "nothing was queued; try again", retry=True) from None

    def is_promised(self, client_id: str, client_order_id: str) -> bool:
        """Return whether a client order id stands for an order. Raises Problem (503)."""
        with reading(self._clearing_data) as tx:
            return orders.promised(tx, client_id, client_order_id) is not None

    def _keep(self, waiting: list[Sequence[OrderPromise]]) -> None:
        promises = [promise for group in waiting for promise in group]
        with self._clearing_data.transaction() as tx:
            stored = orders.promise(tx, [(*one.name, one.order.order_id, one.digest) for one in promises])
            for one in promises:
                first = stored[one.name]
                one.order_id = first.order_id
                one.same_terms = first.digest == one.digest
            repeated = [one for one in promises if one.repeated]
            if repeated:
                decided = admission.known_orders(tx, [one.order_id for one in repeated])
                for one in repeated:
                    one.decided = one.order_id in decided


def digest_of(order: OrderRequest) -> bytes:
    """Return 32 bytes that two orders share if and only if they have the same terms."""
    return hashlib.sha256(msgspec.json.encode(promised_terms_of(order))).digest()
