"""Events of the engine that are not yet confirmed on the queues of the next stages.

When the worker retries a batch after a failed publish, the engine has applied the commands already and makes no events.
So the outbox keeps the events until they are published.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, Protocol

from msgspec import Raw

from celery_app.publisher import Parcel
from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from tasks.messages import (
    AuctionUpdate,
    BookUpdate,
    CancelRefused,
    CommandBatch,
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

# Events in one message: large enough to be cheap, small enough for one transaction of the stage that receives it.
MAX_BATCH: Final = 2_000


class Sender(Protocol):
    """Puts batches on queues; celery_app.publisher.Publisher does."""

    def send_all(self, parcels: Sequence[Parcel]) -> None:
        """Return when all batches are confirmed on their queues."""


def execution_batch(shard: int, events: Iterable[Event], covers: list[Interval], *, now_us: int) -> ExecutionBatch:
    """Return the batch for order execution; the events are in the order of their ids."""
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
    """Return the batch for the feed: events in the order of their ids, and the books and auctions after them."""
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

    Each message says which events it covers, starting where the previous message for the same queue ended. The next
    message for a queue, or an empty one from `cover`, covers a stretch without an event for that queue.

    Order entry's reports of the commands travel in the messages to the feed, ahead of the events. Each report states
    its own coverage.

    published_seq  the command up to which everything is already on the queues
    """

    def __init__(self, shard: int, *, published_seq: int = 0) -> None:
        self._shard = shard
        self._events: list[Event] = []
        self._books: list[BookUpdate] = []
        self._auctions: list[AuctionUpdate] = []
        # By the first command of their message and its number of commands.
        self._reports: dict[tuple[int, int], list[Raw]] = {}
        begin = event_id(shard, published_seq + 1, 0)
        # The event up to which each queue is covered, and the event up to which everything is sent.
        self._covered = {ORDER_EXECUTION: begin, DATA_FEED: begin}
        self._sent = begin

    def __len__(self) -> int:
        return len(self._events) + len(self._books) + len(self._auctions) + len(self._reports)

    @property
    def has_phase(self) -> bool:
        """Whether the outbox has a change of a phase."""
        return any(isinstance(event, SecurityEvent) for event in self._events)

    def add(self, events: Iterable[Event]) -> None:
        """Take events that follow those in the outbox."""
        self._events.extend(events)

    def add_books(self, books: Iterable[BookUpdate]) -> None:
        """Take changes of books, to send after the events that are in the outbox now."""
        self._books.extend(books)

    def add_auctions(self, auctions: Iterable[AuctionUpdate]) -> None:
        """Take indicative outcomes of auctions, to send after the events that are in the outbox now."""
        self._auctions.extend(auctions)

    def add_reports(self, batch: CommandBatch) -> None:
        """Take order entry's reports of a delivered batch, even if its commands are not new: they may be unsent."""
        if batch.reports:
            self._reports[batch.first_seq, len(batch.commands)] = batch.reports

    def drop_published(self, seq: int) -> None:
        """Discard the events of commands up to `seq`, which another engine has sent."""
        begin = event_id(self._shard, seq + 1, 0)
        sent = bisect_left(self._events, begin, key=attrgetter("event_id"))
        del self._events[:sent]
        self._sent = max(self._sent, begin)
        for queue, covered in self._covered.items():
            self._covered[queue] = max(covered, begin)

    def send(self, sender: Sender, *, seq: int, began_us: int, now_us: int) -> None:
        """Send everything; after a failure the outbox keeps what may not have arrived, and sends it first next time.

        seq       the last command whose events are in the outbox
        began_us  when the batch that sends them began [us since 1970, UTC]
        now_us    the time
        """
        end = event_id(self._shard, seq + 1, 0)
        while len(self):
            reported = self._first_reports()
            has_all_reports = len(reported) == len(self._reports)
            # The report of an order precedes its events, so they go with the last reports.
            events = self._events[:MAX_BATCH] if has_all_reports else []
            is_last = has_all_reports and len(events) == len(self._events)
            books = self._books[:] if is_last else []
            auctions = self._auctions[:] if is_last else []
            up_to = end if is_last else self._sent_before(len(events))
            parcels = []
            executions = execution_batch(self._shard, events, self._cover_of(ORDER_EXECUTION, up_to), now_us=now_us)
            settled = len(executions.executions) + len(executions.securities)
            if settled:
                parcels.append(Parcel(ORDER_EXECUTION, executions, settled))
            covers = self._cover_of(DATA_FEED, up_to)
            feed = feed_batch(events, books, covers, began_us=began_us, now_us=now_us, auctions=auctions)
            reports = [report for batch in reported for report in self._reports[batch]]
            entries = sum(commands for _, commands in reported) + len(events) + len(books) + len(auctions)
            parcels.append(Parcel(DATA_FEED, feed, entries, reports))
            sender.send_all(parcels)
            for parcel in parcels:
                self._covered[parcel.queue] = max(self._covered[parcel.queue], up_to)
            for batch in reported:
                del self._reports[batch]
            del self._events[: len(events)]
            del self._books[: len(books)]
            del self._auctions[: len(auctions)]
        self._sent = max(self._sent, end)

    def cover(self, sender: Sender, *, now_us: int) -> None:
        """Send an empty batch to each queue without a recent message, to cover the events that are not for it."""
        parcels = []
        if covers := self._cover_of(ORDER_EXECUTION, self._sent):
            parcels.append(Parcel(ORDER_EXECUTION, ExecutionBatch(self._shard, now_us, [], covers), 0))
        if covers := self._cover_of(DATA_FEED, self._sent):
            parcels.append(Parcel(DATA_FEED, FeedBatch("matching", now_us, covers=covers), 0))
        sender.send_all(parcels)
        for parcel in parcels:
            self._covered[parcel.queue] = self._sent

    def _first_reports(self) -> list[tuple[int, int]]:
        """Return the batches whose reports go into the next message."""
        reported: list[tuple[int, int]] = []
        entries = 0
        for first_seq, commands in self._reports:
            entries += commands
            if reported and entries > MAX_BATCH:
                break
            reported.append((first_seq, commands))
        return reported

    def _sent_before(self, events: int) -> int:
        """Return the event id up to which everything is sent once the first `events` events are."""
        return self._events[events].event_id if events < len(self._events) else self._sent

    def _cover_of(self, queue: str, up_to: int) -> list[Interval]:
        begin = self._covered[queue]
        return [(begin, up_to)] if begin < up_to else []
