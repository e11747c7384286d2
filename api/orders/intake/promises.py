"""Client order ids: each stands for one order for ever, however often and wherever it is sent.

Who sends an order with an id of its own is promised an order id before the order is queued. So when it comes again,
after an answer that was lost, it gets the same order id; and as order entry drops the orders it knows, it may be
queued again without harm.
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
from db.clearing_data import admission, orders
from db.connect import Database
from tasks.messages import OrderRequest

MOST_IN_A_TRANSACTION = 1_000


class Named:
    """An order with a client order id, and what that was found to stand for.

    order_id  the order's own, or that of the order that came first
    same      whether the one that came first asked for the same
    known     whether order entry has seen the one that came first; never so of the order's own
    """

    __slots__ = ("digest", "known", "order", "order_id", "same")

    def __init__(self, order: OrderRequest) -> None:
        self.order = order
        self.order_id = order.order_id
        self.digest = _digest(order)
        self.same = True
        self.known = False

    @property
    def name(self) -> tuple[str, str]:
        """Client and client order id."""
        return self.order.client_id, str(self.order.client_order_id)

    @property
    def repeated(self) -> bool:
        """Whether another one came first."""
        return self.order_id != self.order.order_id


class Promises:
    """Keeps the promises in Postgres, in groups."""

    def __init__(self, clearing_data: Database) -> None:
        self._clearing_data = clearing_data
        self._group = GroupCommit(self._keep, abandon=lambda: True, most=MOST_IN_A_TRANSACTION)

    def keep(self, named: Sequence[Named]) -> None:
        """Tie the client order ids to their orders, or find out to which they were tied before.

        raises  Problem  503 not_accepted: nothing was queued, and the same ids may be sent again
        """
        try:
            self._group.submit(named, size=len(named))
        except (NotBegun, CutOff, OperationalError, InterfaceError, PoolTimeoutError):
            raise Problem(503, "not_accepted", "nothing was queued; try again", retry=True) from None

    def is_promised(self, client_id: str, client_order_id: str) -> bool:
        """Return whether a client order id stands for an order. Raises Problem (503)."""
        with reading(self._clearing_data) as tx:
            return orders.promised(tx, client_id, client_order_id) is not None

    def _keep(self, waiting: list[Sequence[Named]]) -> None:
        every = [named for group in waiting for named in group]
        with self._clearing_data.transaction() as tx:
            kept = orders.promise(tx, [(*one.name, one.order.order_id, one.digest) for one in every])
            for one in every:
                promise = kept[one.name]
                one.order_id = promise.order_id
                one.same = promise.digest == one.digest
            repeated = [one for one in every if one.repeated]
            if repeated:
                known = admission.known_orders(tx, [one.order_id for one in repeated])
                for one in repeated:
                    one.known = one.order_id in known


def _digest(order: OrderRequest) -> bytes:
    """What the order asks for, whenever it is sent, as 32 bytes."""
    asked: tuple[object, ...] = (
        order.security_id,
        order.type,
        order.side,
        order.quantity,
        order.price_cents,
        order.time_in_force,
        order.post_only,
    )
    if (order.stop_price_cents, order.display_quantity, order.expires_us) != (None, None, None):
        # Behind the others, so that the digests of other orders stay what they were.
        asked += (order.stop_price_cents, order.display_quantity)
        if order.expires_us is not None:
            asked += (order.expires_us,)
    return hashlib.sha256(msgspec.json.encode(asked)).digest()
