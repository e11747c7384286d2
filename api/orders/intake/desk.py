"""Takes requests that are well-formed, and answers for each what became of it.

The order of steps is the promise of the api: what is refused gets no id, what has a client order id is tied to its
order id before it is queued, and what is answered is in RabbitMQ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from api.orders.intake.accepted import Accepted
from api.orders.intake.ids import OrderIds
from api.orders.intake.mass_cancels import MassCancels
from api.orders.intake.promises import Named, Promises
from api.orders.intake.queue import OrderQueue, UnknownOutcome
from api.orders.intake.rate_limits import Allowance, RateLimits
from api.orders.intake.rules import EXPIRED, Message, message_of, refusal
from api.request.listing import Listing
from api.wire.problems import Problem
from api.wire.schema import Cancel, Replace, Request
from db.clearing_data.keys import Identity
from tasks.messages import CancelRequest, OrderRequest, Side


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
        self.message: Message | None = None
        self.duplicate = False
        self.known = False

    def answer(self) -> dict[str, Any]:
        """What the client is told, if there is no problem."""
        message = self.message
        assert message is not None
        if not isinstance(message, OrderRequest):
            kind = "cancel" if isinstance(message, CancelRequest) else "replace"
            return {
                "status": "success",
                "order_id": message.order_id,
                "client_order_id": None,
                "message": f"{kind} submitted",
            }
        told = {
            "status": "success",
            "order_id": message.order_id,
            "client_order_id": message.client_order_id,
            "message": "order submitted",
        }
        return told | {"duplicate": True} if self.duplicate else told


class OrderDesk:
    """The desk at which requests are handed in.

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
        rate_limits: RateLimits,
        max_quantity: int,
    ) -> None:
        self._listing = listing
        self._ids = ids
        self._promises = promises
        self._queue = queue
        self._mass_cancels = MassCancels(listing, ids.take, queue)
        self._accepted = accepted
        self._rate_limits = rate_limits
        self._max_quantity = max_quantity

    def take(self, entries: Sequence[Entry], identity: Identity, *, received_us: int) -> Allowance:
        """Queue what can be queued, in the order given and in one message; what the key may send after it.

        Each entry is left with a problem or a message.

        raises  Problem  429, 503 for all entries: none is known to be queued
        """
        securities = self._listing.all()
        going = []
        for entry in entries:
            if entry.asked is not None:
                entry.problem = refusal(
                    entry.asked,
                    entry.pointer,
                    identity,
                    securities,
                    max_quantity=self._max_quantity,
                    now_us=received_us,
                )
                if entry.problem is not None and entry.problem.code == EXPIRED and self._came_before(entry, identity):
                    entry.problem = None
                if entry.problem is None:
                    going.append((entry, entry.asked))
        allowance = self._rate_limits.take(identity, len(going))
        for (entry, asked), number in zip(going, self._ids.take(len(going)), strict=True):
            entry.message = message_of(asked, number, asked.client_id or identity.client_id, received_us)
        if refused := self._keep_promises([entry for entry, _ in going]):
            allowance = self._rate_limits.give_back(identity, refused)
        queued = [entry.message for entry, _ in going if entry.message and not entry.problem and not entry.known]
        if queued:
            self._put(queued)
        return allowance

    def _came_before(self, entry: Entry, identity: Identity) -> bool:
        """Return whether the client order id of an order stands for one: it may be sent again after its time, too."""
        asked = entry.asked
        if asked is None or isinstance(asked, Cancel | Replace) or asked.client_order_id is None:
            return False
        return self._promises.is_promised(asked.client_id or identity.client_id, asked.client_order_id)

    def _put(self, requests: Sequence[Message]) -> None:
        """Queue requests, and remember the orders among them. Raises Problem (503)."""
        try:
            self._queue.put(requests)
        except UnknownOutcome:
            self._accepted.remember_uncertain(requests)
            raise
        self._accepted.remember(requests)

    def cancel_all(
        self, client_id: str, identity: Identity, *, security_id: str | None, side: Side | None, received_us: int
    ) -> tuple[list[int], Allowance]:
        """Queue what cancels all open orders of a client, of a security and a side or with None of all.

        returns  the numbers of the commands, one for each shard, and what the key may send after it
        raises   Problem (429, 503)
        """
        allowance = self._rate_limits.take(identity, 1)
        numbers = self._mass_cancels.send(client_id, security_id=security_id, side=side, received_us=received_us)
        return numbers, allowance

    def _keep_promises(self, entries: Sequence[Entry]) -> int:
        """Tie client order ids to order ids; entries that repeat an order come to stand for the first one.

        returns  how many are refused, as their id stands for another order
        """
        named = [
            (entry, Named(entry.message))
            for entry in entries
            if isinstance(entry.message, OrderRequest) and entry.message.client_order_id is not None
        ]
        if not named:
            return 0
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
        return sum(not one.same for _, one in named)
