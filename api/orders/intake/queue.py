"""Send requests to RabbitMQ: those that arrive while a message is on its way travel together in the next one."""

from __future__ import annotations

from collections.abc import Sequence

from api.orders.intake.group_commit import CutOff, GroupCommit, NotBegun
from api.wire.problems import Problem
from celery_app import app
from celery_app.clock import now_us
from celery_app.publisher import NotSent, OutcomeUnknown, Publisher
from celery_app.topology import ORDER_ENTRY
from tasks.messages import EntryBatch, Request

Requests = Sequence[Request]

# A message holds at most this many orders; a larger array travels in a message of its own.
MOST_IN_A_MESSAGE = 1_000


class UnknownOutcome(Problem):
    """503: the requests may have been queued or not."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "unknown_outcome",
            "the request may have been queued or not; look the order up by its client_order_id, or send it again with "
            "the same one",
            retry=True,
        )


class OrderQueue:
    """Puts requests on the queue of order entry."""

    def __init__(self) -> None:
        self._publisher = Publisher(app)
        self._group = GroupCommit(self._send, abandon=self._abandon, most=MOST_IN_A_MESSAGE)

    def put(self, requests: Requests) -> None:
        """Queue the requests in their order and in one message, and return when RabbitMQ has confirmed it.

        raises  Problem         503 not_accepted: nothing was queued
                UnknownOutcome  503 unknown_outcome: the requests may have been queued or not
        """
        try:
            self._group.submit(requests, size=len(requests))
        except (NotBegun, NotSent):
            raise Problem(503, "not_accepted", "nothing was queued; try again", retry=True) from None
        except (CutOff, OutcomeUnknown):
            raise UnknownOutcome from None

    def _send(self, waiting: list[Requests]) -> None:
        batch = EntryBatch([request for requests in waiting for request in requests], now_us())
        self._publisher.send(ORDER_ENTRY, batch, size=len(batch.requests))

    def _abandon(self) -> bool:
        self._publisher.close()
        return self._publisher.may_have_sent
