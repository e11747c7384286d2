"""Takes requests that are well-formed, and answers for each what became of it.

The order of steps is the promise of the api: what is refused gets no id, what has a client order id is tied to its
order id before it is queued, and what is answered is in RabbitMQ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from api.accepted import Accepted
from api.listing import Listing
from api.order_ids import OrderIds
from api.order_queue import OrderQueue
from api.problems import Problem, forbidden, invalid
from api.promises import Named, Promises
from api.schema import Cancel, LimitOrder, MarketOrder, Request
from db.clearing_data.keys import Identity
from db.clearing_data.rows import Security
from tasks.messages import CancelRequest, OrderRequest


class Entry:
    """One request on its way over the desk.

    asked      what the client wants; None when it could not be understood
    pointer    JSON pointer to it in the body
    problem    why it goes no further
    message    what is queued for it
    duplicate  whether an order with the same client order id came first, which `message` then stands for
    known      whether order entry has seen that order, so that it need not be queued again
    """

    __slots__ = ("asked", "duplicate", "known", "message", "pointer", "problem")

    def __init__(self, asked: Request | Problem, pointer: str = "") -> None:
        self.asked = None if isinstance(asked, Problem) else asked
        self.problem = asked if isinstance(asked, Problem) else None
        self.pointer = pointer
        self.message: OrderRequest | CancelRequest | None = None
        self.duplicate = False
        self.known = False

    def answer(self) -> dict[str, Any]:
        """What the client is told, if there is no problem."""
        message = self.message
        if isinstance(message, CancelRequest):
            return {
                "status": "success",
                "order_id": message.order_id,
                "client_order_id": None,
                "message": "cancel submitted",
            }
        assert message is not None
        told = {
            "status": "success",
            "order_id": message.order_id,
            "client_order_id": message.client_order_id,
            "message": "order submitted",
        }
        return told | {"duplicate": True} if self.duplicate else told


class OrderDesk:
    """The desk at which orders and cancels are handed in.

    max_quantity  largest order [shares]
    """

    def __init__(
        self,
        *,
        listing: Listing,
        ids: OrderIds,
        promises: Promises,
        queue: OrderQueue,
        accepted: Accepted,
        max_quantity: int,
    ) -> None:
        self._listing = listing
        self._ids = ids
        self._promises = promises
        self._queue = queue
        self._accepted = accepted
        self._max_quantity = max_quantity

    def take(self, entries: Sequence[Entry], identity: Identity, *, received_us: int) -> None:
        """Queue what can be queued, in the order given and in one message.

        Each entry is left with a problem or a message.

        raises  Problem (503)  of all entries: none is known to be queued
        """
        securities = self._listing.all()
        for entry in entries:
            if entry.asked is not None:
                entry.problem = self._refusal(entry.asked, entry.pointer, identity, securities)
        going = [entry for entry in entries if entry.problem is None]
        for entry, number in zip(going, self._ids.take(len(going)), strict=True):
            entry.message = _message(entry.asked, number, identity, received_us)
        self._keep_promises(going)
        queued = [entry.message for entry in going if entry.message and not entry.problem and not entry.known]
        if queued:
            self._queue.put(queued)
            self._accepted.remember(queued)

    def _refusal(
        self, asked: Request, pointer: str, identity: Identity, securities: Mapping[str, Security]
    ) -> Problem | None:
        """What stands against a request, as far as the edge knows: whose it is, then the rules."""
        if identity.role == "admin":
            if asked.client_id is None:
                return invalid(f"{pointer}/client_id", "the admin has to say whose it is")
        elif asked.client_id is not None and asked.client_id != identity.client_id:
            return forbidden()
        security = securities.get(asked.security_id)
        if security is None:
            return invalid(f"{pointer}/security_id", "is not listed", code="unknown_security")
        if isinstance(asked, Cancel):
            return None
        if asked.quantity > self._max_quantity:
            return invalid(f"{pointer}/quantity", f"has to be at most {self._max_quantity}")
        return _price_refusal(asked, pointer, security) if isinstance(asked, LimitOrder) else None

    def _keep_promises(self, entries: Sequence[Entry]) -> None:
        """Tie client order ids to order ids; entries that repeat an order come to stand for the first one."""
        named = [
            (entry, Named(entry.message))
            for entry in entries
            if isinstance(entry.message, OrderRequest) and entry.message.client_order_id is not None
        ]
        if not named:
            return
        self._promises.keep([one for _, one in named])
        for entry, one in named:
            if not one.same:
                entry.problem = Problem(
                    409, "client_order_id_reused", "another order was sent under this client_order_id"
                )
            elif one.repeated:
                entry.message = replace(one.order, order_id=one.order_id)
                entry.duplicate = True
                entry.known = one.known


def _price_refusal(order: LimitOrder, pointer: str, security: Security) -> Problem | None:
    if order.post_only and order.time_in_force != "gtc":
        return invalid(f"{pointer}/post_only", "means to rest, which an ioc or fok order never does")
    if not security.min_price_cents <= order.price <= security.max_price_cents:
        return invalid(f"{pointer}/price", "is out of the band of the security", code="price_out_of_band")
    if order.price % security.tick_cents:
        return invalid(f"{pointer}/price", "is not on the tick of the security", code="price_off_tick")
    return None


def _message(asked: Request | None, number: int, identity: Identity, received_us: int) -> OrderRequest | CancelRequest:
    assert asked is not None
    client_id = asked.client_id or identity.client_id
    if isinstance(asked, Cancel):
        return CancelRequest(number, client_id, asked.security_id, asked.order_id, received_us)
    return OrderRequest(
        number,
        client_id,
        asked.client_order_id,
        asked.security_id,
        asked.type,
        asked.side,
        asked.quantity,
        None if isinstance(asked, MarketOrder) else asked.price,
        asked.time_in_force,
        asked.post_only,
        received_us,
    )
