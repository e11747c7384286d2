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
from tasks.shared.rules.coverage import Interval

# Events in one message: large enough to be cheap, small enough to be one transaction of the stage that gets it.
MAX_BATCH: Final = 2_000


class Sender(Protocol):
    """What puts batches on queues: celery_app.publisher.Publisher."""

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        """Return when all batches are surely on their queues."""


def execution_batch(shard: int, events: Iterable[Event], covers: list[Interval], *, now_us: int) -> ExecutionBatch:
    """What order execution has to settle of events in the order of their ids."""
    events = list(events)
    executions = [event for event in events if isinstance(event, Execution)]
    securities = [event for event in events if isinstance(event, SecurityEvent)]
    return ExecutionBatch(shard, now_us, executions, covers, securities)


def feed_batch(
    events: Sequence[Event],
    books: list[BookUpdate],
    covers: list[Interval],
    *,
    began_us: int,
    now_us: int,
    auctions: Iterable[AuctionUpdate] = (),
) -> FeedBatch:
    """What the feed is told of events in the order of their ids, and of the books and auctions after them."""
    return FeedBatch(
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
        covers=covers,
        securities=[event for event in events if isinstance(event, SecurityEvent)],
        auctions=list(auctions),
    )


class Outbox:
    """The unsent events of one shard, in the order of their ids.

    Each message says which events it covers, on from the one before it for the same queue. What no event of is for a
    queue, its next message covers, or one without events that `cover` sends.

    published_seq  the command up to which everything is on the queues already
    """

    def __init__(self, shard: int, *, published_seq: int = 0) -> None:
        self._shard = shard
        self._events: list[Event] = []
        self._books: list[BookUpdate] = []
        self._auctions: list[AuctionUpdate] = []
        begin = event_id(shard, published_seq + 1, 0)
        # Up to which event each queue is covered, and all that was made is sent.
        self._covered = {ORDER_EXECUTION: begin, DATA_FEED: begin}
        self._sent = begin

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
        begin = event_id(self._shard, seq + 1, 0)
        sent = bisect_left(self._events, begin, key=attrgetter("event_id"))
        del self._events[:sent]
        self._sent = max(self._sent, begin)
        for queue, covered in self._covered.items():
            self._covered[queue] = max(covered, begin)

    def send(self, sender: Sender, *, seq: int, began_us: int, now_us: int) -> None:
        """Send everything; after a failure what may not have arrived is still in here, and goes first next time.

        seq       the last command of which the events are in here
        began_us  when the unit began that sends it [us since 1970, UTC]
        now_us    the time
        """
        end = event_id(self._shard, seq + 1, 0)
        while self._events or self._books or self._auctions:
            events = self._events[:MAX_BATCH]
            is_last = len(self._events) <= MAX_BATCH
            books = self._books[:] if is_last else []
            auctions = self._auctions[:] if is_last else []
            up_to = end if is_last else self._events[MAX_BATCH].event_id
            parcels = []
            executions = execution_batch(self._shard, events, self._cover_of(ORDER_EXECUTION, up_to), now_us=now_us)
            settled = len(executions.executions) + len(executions.securities)
            if settled:
                parcels.append(Parcel(ORDER_EXECUTION, executions, settled))
            covers = self._cover_of(DATA_FEED, up_to)
            feed = feed_batch(events, books, covers, began_us=began_us, now_us=now_us, auctions=auctions)
            parcels.append(Parcel(DATA_FEED, feed, len(events) + len(books) + len(auctions)))
            sender.send_all(parcels)
            for parcel in parcels:
                self._covered[parcel.queue] = max(self._covered[parcel.queue], up_to)
            del self._events[: len(events)]
            del self._books[: len(books)]
            del self._auctions[: len(auctions)]
        self._sent = max(self._sent, end)

    def cover(self, sender: Sender, *, now_us: int) -> None:
        """Tell the queues that have had no message for a while that there was no event for them."""
        parcels = []
        if covers := self._cover_of(ORDER_EXECUTION, self._sent):
            parcels.append(Parcel(ORDER_EXECUTION, ExecutionBatch(self._shard, now_us, [], covers), 0))
        if covers := self._cover_of(DATA_FEED, self._sent):
            parcels.append(Parcel(DATA_FEED, FeedBatch("matching", now_us, covers=covers), 0))
        sender.send_all(parcels)
        for parcel in parcels:
            self._covered[parcel.queue] = self._sent

    def _cover_of(self, queue: str, up_to: int) -> list[Interval]:
        begin = self._covered[queue]
        return [(begin, up_to)] if begin < up_to else []
