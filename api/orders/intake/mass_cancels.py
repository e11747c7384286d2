"""Cancel all of a client's open orders: one command for each shard, in one message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.orders.intake.queue import OrderQueue
from api.request.listing import Listing
from tasks.messages import MassCancelRequest, Side


class MassCancels:
    """Queues mass cancels.

    take_numbers  returns the given count of command numbers; may raise Problem (503)
    shards        the number of shards
    """

    def __init__(
        self, listing: Listing, take_numbers: Callable[[int], Sequence[int]], queue: OrderQueue, *, shards: int
    ) -> None:
        self._shards = shards
        self._listing = listing
        self._take_numbers = take_numbers
        self._queue = queue

    def send(self, client_id: str, *, security_id: str | None, side: Side | None, received_us: int) -> list[int]:
        """Queue the commands, and return their numbers when RabbitMQ has them.

        security_id, side  limit the cancel to these orders; None for all. The security is listed
        raises             Problem (503)
        """
        # To all shards in one message: a security that moves in the meantime is on one of them.
        shards = range(self._shards) if security_id is None else [self._listing.all()[security_id].shard]
        numbers = list(self._take_numbers(len(shards)))
        self._queue.put(
            [
                MassCancelRequest(number, client_id, shard, security_id, side, received_us)
                for number, shard in zip(numbers, shards, strict=True)
            ]
        )
        return numbers
