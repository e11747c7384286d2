"""Cancel all of a client's open orders: one command for each affected shard, in one message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.orders.intake.queue import OrderQueue
from api.request.listing import Listing
from tasks.messages import MassCancelRequest, Side


class MassCancels:
    """Queues mass cancels.

    take_numbers  returns the given count of command numbers; may raise Problem (503)
    """

    def __init__(self, listing: Listing, take_numbers: Callable[[int], Sequence[int]], queue: OrderQueue) -> None:
        self._listing = listing
        self._take_numbers = take_numbers
        self._queue = queue

    def send(self, client_id: str, *, security_id: str | None, side: Side | None, received_us: int) -> list[int]:
        """Queue the commands, and return their numbers when RabbitMQ has them.

        security_id, side  limit the cancel to these orders; None for all. The security is listed
        raises             Problem (503)
        """
        securities = self._listing.all()
        affected = securities.values() if security_id is None else [securities[security_id]]
        shards = sorted({security.shard for security in affected})
        numbers = list(self._take_numbers(len(shards)))
        self._queue.put(
            [
                MassCancelRequest(number, client_id, shard, security_id, side, received_us)
                for number, shard in zip(numbers, shards, strict=True)
            ]
        )
        return numbers
