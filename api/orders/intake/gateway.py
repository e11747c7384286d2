"""Take well-formed requests, queue them, and record the outcome of each.

The order of the steps is the promise of the api: a refused request gets no id; a client order id is tied to an order id
before the order is queued; and RabbitMQ has every request that the api answers with success.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from api.orders.intake.ids import OrderIds
from api.orders.intake.mass_cancels import MassCancels
from api.orders.intake.pending import PendingOrders
from api.orders.intake.promises import OrderPromise, Promises
from api.orders.intake.queue import OrderQueue, UnknownOutcome
from api.orders.intake.rate_limits import Allowance, RateLimits
from api.orders.intake.rules import EXPIRED, Message, message_of, refusal
from api.orders.intake.unfinished import Unfinished
from api.request.listing import Listing
from api.wire.order_bodies import Cancel, Replace, Request
from api.wire.problems import Problem
from celery_app import fail_points
from db.clearing_data.clients.keys import Identity
from tasks.messages import CancelRequest, OrderRequest, Side


class Result(Struct, frozen=True, gc=False, tag_field="status", tag="success"):
    """The result of a request that RabbitMQ has confirmed."""

    order_id: int
    client_order_id: str | None
    message: str


class DuplicateResult(Result, frozen=True, gc=False, tag_field="status", tag="success"):
    """The result of an order that the client sent before under the same client order id."""

    duplicate: Literal[True] = True


class Submission(Struct):
    """One request on its way through the gateway.

    asked      the request; a problem when it is not valid
    position   place of the request in an array; None when it is the whole body
    problem    the reason why the request goes no further
    message    the message for the queue
    duplicate  whether the client sent an order with this client order id before; `message` then stands for that order
    decided    whether order entry has decided the earlier order, so that the api need not queue it again
    """

    asked: Request | Problem
    position: int | None = None
    problem: Problem | None = None
    message: Message | None = None
    duplicate: bool = False
    decided: bool = False

    def refuse(self, problem: Problem) -> None:
        """Go no further; the problem is that of the request, and becomes that of the body."""
        self.problem = problem if self.position is None else problem.within(f"/{self.position}")

    def answer(self) -> Result | DuplicateResult:
        """Return the content of the response to a request without a problem."""
        message = self.message
        if isinstance(message, OrderRequest):
            if self.duplicate:
                return DuplicateResult(message.order_id, message.client_order_id, "order submitted")
            return Result(message.order_id, message.client_order_id, "order submitted")
        assert message is not None
        kind = "cancel" if isinstance(message, CancelRequest) else "replace"
        return Result(message.order_id, None, f"{kind} submitted")


class OrderGateway:
    """Checks requests, numbers them, ties client order ids to order ids, and queues the messages."""

    def __init__(
        self,
        *,
        listing: Listing,
        ids: OrderIds,
        promises: Promises,
        queue: OrderQueue,
        unfinished: Unfinished,
        pending: PendingOrders,
        rate_limits: RateLimits,
        shards: int,
    ) -> None:
        self._listing = listing
        self._ids = ids
        self._promises = promises
        self._unfinished = unfinished
        self._queue = queue
        self._mass_cancels = MassCancels(listing, ids.take, queue, shards=shards)
        self._pending = pending
        self._rate_limits = rate_limits

    def submit(self, submissions: Sequence[Submission], identity: Identity, *, received_us: int) -> Allowance:
        """Queue the valid requests in the order given and in one message; each submission gets a problem or a message.

        returns  the client's allowance after these requests
        raises   Problem  429, 503 for all submissions: none is known to be queued
        """
        valid = self._check(submissions, identity, received_us)
        allowance = self._rate_limits.take(identity, len(valid))
        own_id = identity.client_id
        for (submission, asked), number in zip(valid, self._ids.take(len(valid)), strict=True):
            submission.message = message_of(asked, number, asked.client_id or own_id, received_us)
        promises = _promises_of(submission for submission, _ in valid)
        with self._unfinished.under_way([promise.order for _, promise in promises]):
            if promises and (refused := self._keep_promises(promises)):
                allowance = self._rate_limits.give_back(identity, refused)
            messages = [one.message for one, _ in valid if one.message and not one.problem and not one.decided]
            if messages:
                fail_points.reach("api.promised")
                self._put(messages, promises)
        return allowance

    def cancel_all(
        self, client_id: str, identity: Identity, *, security_id: str | None, side: Side | None, received_us: int
    ) -> tuple[list[int], Allowance]:
        """Queue cancels of all open orders of a client; None stands for all securities, and for both sides.

        returns  the numbers of the commands, one for each shard, and the allowance after them
        raises   Problem (429, 503)
        """
        allowance = self._rate_limits.take(identity, 1)
        numbers = self._mass_cancels.send(client_id, security_id=security_id, side=side, received_us=received_us)
        return numbers, allowance

    def queue_again(self, orders: Sequence[OrderRequest]) -> None:
        """Queue orders that RabbitMQ may have already. Raises Problem (503)."""
        self._queue.put(orders)
        self._pending.remember(orders)

    def _repeats(self, asked: Request, identity: Identity) -> bool:
        """Return whether the client order id is promised already: a repeated order is answered after its end, too."""
        if isinstance(asked, Cancel | Replace) or not asked.client_order_id:
            return False
        return self._promises.is_promised(asked.client_id or identity.client_id, asked.client_order_id)

    def _check(
        self, submissions: Sequence[Submission], identity: Identity, received_us: int
    ) -> list[tuple[Submission, Request]]:
        """Return the submissions that break no rule; the others get their problem."""
        securities = self._listing.all()
        valid = []
        for submission in submissions:
            asked = submission.asked
            if isinstance(asked, Problem):
                submission.refuse(asked)
                continue
            problem = refusal(asked, identity, securities, now_us=received_us)
            if problem is None or (problem.code == EXPIRED and self._repeats(asked, identity)):
                valid.append((submission, asked))
            else:
                submission.refuse(problem)
        return valid

    def _put(self, messages: Sequence[Message], promises: Sequence[tuple[Submission, OrderPromise]]) -> None:
        """Queue messages, and remember the orders among them.

        promises  those that were made for the messages are given back if certainly nothing was queued

        raises  Problem (503)
        """
        try:
            self._queue.put(messages)
        except UnknownOutcome:
            self._pending.remember_uncertain(messages)
            raise
        except Problem:
            # RabbitMQ may have a repeated order from an earlier request.
            repeated = [promise.first for one, promise in promises if one.duplicate and not one.decided]
            if repeated:
                self._pending.remember_uncertain(repeated)
            self._promises.withdraw(
                [promise.order for one, promise in promises if not one.duplicate and not one.problem]
            )
            if repeated:
                raise UnknownOutcome from None
            raise
        self._pending.remember(messages)

    def _keep_promises(self, promises: Sequence[tuple[Submission, OrderPromise]]) -> int:
        """Tie client order ids to order ids; a repeated order comes to stand for the first one.

        returns  the number of submissions whose client order id stands for another order: they get a 409
        """
        self._promises.keep([promise for _, promise in promises])
        for submission, promise in promises:
            if not promise.same_terms:
                submission.refuse(
                    Problem(409, "client_order_id_reused", "this client_order_id belongs to an order with other terms")
                )
            elif promise.repeated:
                submission.message = promise.first
                submission.duplicate = True
                submission.decided = promise.decided
        return sum(not promise.same_terms for _, promise in promises)


def _promises_of(submissions: Iterable[Submission]) -> list[tuple[Submission, OrderPromise]]:
    """Return the orders with client order ids among submissions."""
    return [
        (submission, OrderPromise(submission.message))
        for submission in submissions
        if isinstance(submission.message, OrderRequest) and submission.message.client_order_id is not None
    ]
