"""Cancelling all of a client's open orders: one command for each shard concerned, in one message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.orders.intake.queue import OrderQueue
from api.request.listing import Listing
from tasks.messages import MassCancelRequest, Side


class MassCancels:
    """Queues them.

    take_numbers  gives so many numbers for commands; may raise Problem (503)
    """

    def __init__(self, listing: Listing, take_numbers: Callable[[int], Sequence[int]], queue: OrderQueue) -> None:
        self._listing = listing
        self._take_numbers = take_numbers
        self._queue = queue

    def send(self, client_id: str, *, security_id: str | None, side: Side | None, received_us: int) -> list[int]:
        """Return when RabbitMQ has the commands; their numbers.

        security_id, side  of which orders, None for all; the security is listed
        raises             Problem (503)
        """
        securities = self._listing.all()
        concerned = securities.values() if security_id is None else [securities[security_id]]
        shards = sorted({security.shard for security in concerned})
        numbers = list(self._take_numbers(len(shards)))
        self._queue.put(
            [
                MassCancelRequest(number, client_id, shard, security_id, side, received_us)
                for number, shard in zip(numbers, shards, strict=True)
            ]
        )
        return numbers
