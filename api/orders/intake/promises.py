"""Client order ids: each stands for one order, however often and to whichever process the client sends it.

The api ties the client's own id to an order id before it queues the order. When the client sends the order again, for
example because the response was lost, it gets the same order id. The api may queue the order again without harm,
because order entry drops the orders that it has decided.

A promise lasts for ever, with one exception: an order that certainly was not queued gives its promise back, unless
another request got the same order id. Otherwise the promise of a client that gives up would never be kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice

import gevent
import msgspec
import structlog
from msgspec.structs import replace
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api.orders.intake.group_commit import CutOff, GroupCommit, NotBegun
from api.orders.intake.unfinished import GivenUp, Unfinished
from api.request.databases import reading, writing
from api.wire.problems import Problem
from db.clearing_data.log import admission, orders
from db.connect import Database
from tasks.messages import OrderRequest
from tasks.order_entry.rules.terms import promised_terms_of

log = structlog.get_logger()

MOST_IN_A_TRANSACTION = 1_000
# How often the api tries to give back promises that it could not give back at once [s].
WITHDRAW_EVERY_S = 2.0


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
    def first(self) -> OrderRequest:
        """The order for which the client order id stands."""
        return replace(self.order, order_id=self.order_id)

    @property
    def repeated(self) -> bool:
        """Whether the client used this client order id before."""
        return self.order_id != self.order.order_id


class Promises:
    """Keeps the promises in Postgres, in groups.

    unfinished  holds the orders and the promises to give back for the next process
    """

    def __init__(self, clearing_data: Database, unfinished: Unfinished) -> None:
        self._clearing_data = clearing_data
        self._unfinished = unfinished
        # An ordered set of the promises to give back, oldest first: their orders certainly were not queued. Several
        # orders may have been promised the same client order id, one after the other.
        self._given_up = dict.fromkeys(unfinished.given_up)
        self._group = GroupCommit(self._keep, abandon=lambda: True, most=MOST_IN_A_TRANSACTION)

    def keep(self, promises: Sequence[OrderPromise]) -> None:
        """Tie the client order ids to their orders, or look up the orders to which they are tied already.

        raises  Problem  503 not_accepted: nothing was queued, and the client may send the same ids again
        """
        try:
            self._group.submit(promises, size=len(promises))
        except (NotBegun, PoolTimeoutError):
            raise _not_accepted() from None
        except (CutOff, OperationalError, InterfaceError):
            # The transaction may have taken effect nevertheless.
            self._give_up([promise.order for promise in promises])
            raise _not_accepted() from None

    def withdraw(self, messages: Sequence[OrderRequest]) -> None:
        """Give back the promises of orders that certainly were not queued, unless other requests rely on them."""
        if messages:
            self._withdraw(self._give_up(messages))

    def withdraw_given_up(self) -> None:
        """Give back all promises that are due; while Postgres is unreachable, they stay due."""
        while due := list(islice(self._given_up, MOST_IN_A_TRANSACTION)):
            if not self._withdraw(due):
                return

    def run(self) -> None:
        """Give back promises for ever."""
        while True:
            gevent.sleep(WITHDRAW_EVERY_S)
            self.withdraw_given_up()

    def _give_up(self, messages: Sequence[OrderRequest]) -> list[GivenUp]:
        given_up = [GivenUp(one.client_id, str(one.client_order_id), one.order_id) for one in messages]
        self._unfinished.note_given_up(given_up)
        self._given_up |= dict.fromkeys(given_up)
        return given_up

    def _withdraw(self, due: Sequence[GivenUp]) -> bool:
        """Give back promises; return False if Postgres is unreachable."""
        try:
            with writing(self._clearing_data) as tx:
                orders.withdraw(tx, due)
        except (Problem, DBAPIError) as fault:
            log.warning("promises_not_withdrawn", orders=len(self._given_up), fault=str(fault)[:200])
            return False
        for promise in due:
            self._given_up.pop(promise, None)
        self._unfinished.forget_given_up(due)
        return True

    def is_promised(self, client_id: str, client_order_id: str) -> bool:
        """Return whether a client order id stands for an order. Raises Problem (503)."""
        with reading(self._clearing_data) as tx:
            return orders.promised(tx, client_id, client_order_id) is not None

    def _keep(self, waiting: list[Sequence[OrderPromise]]) -> None:
        self._unfinished.begin([promise.order for promise in group] for group in waiting)
        promises = [promise for group in waiting for promise in group]
        with self._clearing_data.transaction() as tx:
            repeated = _promise(tx, promises)
            # A promise may be withdrawn between these statements; the next attempt then takes its place.
            while repeated and orders.share(tx, repeated) < len(repeated):
                repeated = _promise(tx, promises)
            if repeated:
                decided = admission.known_orders(tx, list(repeated.values()))
                for one in promises:
                    one.decided = one.repeated and one.order_id in decided


def still_promised(clearing_data: Database, left: Sequence[OrderRequest]) -> list[OrderRequest]:
    """Return the promised ones among orders of a process that has ended.

    left  at least one. The client order id of a copy stands for the first order: it is returned with that order's id,
        which cannot be given back any more.

    raises  Problem  503
    """
    by_name = {(order.client_id, str(order.client_order_id)): order for order in left}
    with writing(clearing_data) as tx:
        while True:
            promises = orders.awaited_promises(tx, [(*name, order.order_id) for name, order in by_name.items()])
            found = {name: one for name, one in promises.items() if one.digest == digest_of(by_name[name])}
            copies = {name: one.order_id for name, one in found.items() if one.order_id != by_name[name].order_id}
            # A promise may be given back between these statements.
            if not copies or orders.share(tx, copies) == len(copies):
                return [replace(by_name[name], order_id=one.order_id) for name, one in found.items()]


def _not_accepted() -> Problem:
    return Problem(503, "not_accepted", "nothing was queued; try again", retry=True)


def _promise(tx: Connection, promises: Sequence[OrderPromise]) -> dict[tuple[str, str], int]:
    """Tie client order ids to orders; return those that stand for more than one request, with their order ids."""
    stored = orders.promise(tx, [(*one.name, one.order.order_id, one.digest) for one in promises])
    for one in promises:
        first = stored[one.name]
        one.order_id = first.order_id
        one.same_terms = first.digest == one.digest
    return {one.name: one.order_id for one in promises if one.repeated}


def digest_of(order: OrderRequest) -> bytes:
    """Return 32 bytes that two orders share if and only if they have the same terms."""
    return hashlib.sha256(msgspec.json.encode(promised_terms_of(order))).digest()
