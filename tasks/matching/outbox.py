"""Events that were made and are not yet surely on the queues of the stages behind.

A unit that is tried again after a failed publish finds its commands applied already, so nothing would make its
events a second time: what is in here saves them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, Protocol

from celery_app.publisher import Parcel
from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from tasks.messages import (
    AuctionUpdate,
    BookUpdate,
    CancelRefused,
    Event,
    Execution,
    ExecutionBatch,
    FeedBatch,
    OrderClosed,
    OrderReplaced,
    OrderTriggered,
    ReplaceRefused,
    SecurityEvent,
    TradeMade,
    event_id,
)

# Events in one message: large enough to be cheap, small enough to be one transaction of the stage that gets it.
MAX_BATCH: Final = 2_000


class Sender(Protocol):
    """What puts batches on queues: celery_app.publisher.Publisher."""

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        """Return when all batches are surely on their queues."""


class Outbox:
    """The unsent events of one shard, in the order of their ids."""

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self._events: list[Event] = []
        self._books: list[BookUpdate] = []
        self._auctions: list[AuctionUpdate] = []

    def __len__(self) -> int:
        return len(self._events) + len(self._books) + len(self._auctions)

    def add(self, events: Iterable[Event]) -> None:
        """Take events that follow those in here."""
        self._events.extend(events)

    def add_books(self, books: Iterable[BookUpdate]) -> None:
        """Take changes of books, to be sent after the events that are in here by now."""
        self._books.extend(books)

    def add_auctions(self, auctions: Iterable[AuctionUpdate]) -> None:
        """Take where auctions would end, likewise."""
        self._auctions.extend(auctions)

    def drop_published(self, seq: int) -> None:
        """Forget the events of commands up to `seq`: another engine has sent them."""
        sent = bisect_left(self._events, event_id(self._shard, seq + 1, 0), key=attrgetter("event_id"))
        del self._events[:sent]

    def send(self, sender: Sender, *, began_us: int, now_us: int) -> None:
        """Send everything; after a failure what may not have arrived is still in here, and goes first next time.

        began_us  when the unit began that sends it [us since 1970, UTC]
        now_us    the time
        """
        while self._events or self._books or self._auctions:
            events = self._events[:MAX_BATCH]
            is_last = len(self._events) <= MAX_BATCH
            books = self._books[:] if is_last else []
            auctions = self._auctions[:] if is_last else []
            securities = [event for event in events if isinstance(event, SecurityEvent)]
            executions = [event for event in events if isinstance(event, Execution)]
            parcels = []
            if executions or securities:
                batch = ExecutionBatch(self._shard, now_us, executions, securities)
                parcels.append(Parcel(ORDER_EXECUTION, batch, len(executions) + len(securities)))
            feed = FeedBatch(
                stage="matching",
                sent_us=now_us,
                trades=[event for event in events if isinstance(event, TradeMade)],
                closed=[event for event in events if isinstance(event, OrderClosed)],
                refused=[event for event in events if isinstance(event, CancelRefused)],
                books=books,
                replaced=[event for event in events if isinstance(event, OrderReplaced)],
                replaces_refused=[event for event in events if isinstance(event, ReplaceRefused)],
                triggered=[event for event in events if isinstance(event, OrderTriggered)],
                began_us=began_us,
                securities=securities,
                auctions=auctions,
            )
            parcels.append(Parcel(DATA_FEED, feed, len(events) + len(books) + len(auctions)))
            sender.send_all(parcels)
            del self._events[: len(events)]
            del self._books[: len(books)]
            del self._auctions[: len(auctions)]
