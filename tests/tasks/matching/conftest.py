"""A shard's log, and the messages that its workers publish to the stages behind."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from kombu import Connection
from sqlalchemy import text

from celery_app.app import app
from celery_app.publisher import Publisher
from celery_app.topology import DATA_FEED, MATCHING, ORDER_EXECUTION
from db.clearing_data.log import order_log
from db.connect import Database
from tasks.matching.rules.engine import Engine
from tasks.matching.rules.indicative import NOTHING, Indication
from tasks.messages import (
    AuctionUpdate,
    BookUpdate,
    CancelRefused,
    Command,
    CommandBatch,
    Event,
    OrderTriggered,
    encode,
)
from tests.support.book_mirror import BookMirror
from tests.support.broker import empty_queues, publish
from tests.support.order_log import append, ring

# Messages as they are on the wire, with each event as its bytes.
Raws = list[msgspec.Raw]


class RawExecutions(msgspec.Struct, array_like=True):
    """An ExecutionBatch with its events as bytes."""

    shard: int
    matched_us: int
    executions: Raws
    covers: Raws
    securities: Raws


class RawFeed(msgspec.Struct, array_like=True):
    """A FeedBatch with its events as bytes."""

    stage: str
    sent_us: int
    orders: Raws
    trades: Raws
    closed: Raws
    refused: Raws
    books: list[BookUpdate]
    settled: Raws
    replaced: Raws
    replaces_refused: Raws
    triggered: Raws
    failed: Raws
    began_us: int | None
    asked_us: list[int | None]
    covers: Raws
    securities: Raws
    auctions: list[AuctionUpdate]


_EXECUTIONS = msgspec.json.Decoder(tuple[tuple[list[RawExecutions]], dict[str, Any], Any])
_FEED = msgspec.json.Decoder(tuple[tuple[list[RawFeed]], dict[str, Any], Any])
_EVENT = msgspec.json.Decoder(Event)


class Floor:
    """A trading floor: the test appends commands to the log and sends them to workers; their events come out."""

    def __init__(self, clearing_data: Database, broker: Connection, publisher: Publisher) -> None:
        self.clearing_data = clearing_data
        self.broker = broker
        self.publisher = publisher
        self.events: dict[int, dict[int, bytes]] = {}  # by shard and event id, as the execution queue had them
        self.fed: dict[int, bytes] = {}  # by event id, as the feed had them
        self.mirrors: dict[str, BookMirror] = {}
        self.auctions: dict[str, AuctionUpdate] = {}  # the last of each security
        self.deliveries = 0

    def log(self, commands: Sequence[Command], *, shard: int = 0) -> int:
        """Append to the log without a message to the workers; return the first number."""
        return append(self.clearing_data, shard, commands)

    def ring(self, first_seq: int, commands: Sequence[Command], *, shard: int = 0) -> None:
        """Send the message of logged commands."""
        ring(self.publisher, shard, first_seq, commands)

    def trade(self, commands: Sequence[Command], *, shard: int = 0) -> None:
        """Log commands and send their message."""
        self.ring(self.log(commands, shard=shard), commands, shard=shard)

    def forge(self, batch: CommandBatch, queue: str) -> None:
        """Send a batch that order entry would not send."""
        publish(
            self.broker,
            queue,
            msgspec.json.encode((([batch],), {}, {})),
            headers={"task": MATCHING, "id": "forged", "lang": "py"},
        )

    def replayed(self, shard: int = 0) -> tuple[Engine, dict[int, Event]]:
        """Replay the log; return the engine after its last command, and all events."""
        engine, events = Engine(shard), {}
        with self.clearing_data.transaction() as tx:
            for seq, command in order_log.read_commands(tx, shard, after_seq=0, limit=1_000_000):
                events |= {event.event_id: event for event in engine.apply(seq, command)}
        return engine, events

    def reset(self) -> None:
        """Empty the log and the queues, and forget all events."""
        self.collect()
        with self.clearing_data.transaction() as tx:
            tx.execute(text("TRUNCATE order_log, snapshots, published_marks"))
            tx.execute(text("UPDATE shards SET last_seq = 0"))
        self.events, self.fed, self.mirrors, self.auctions, self.deliveries = {}, {}, {}, {}, 0

    def collect(self) -> None:
        """Take the messages from the queues of the stages behind."""
        with self.broker.channel() as channel:
            while (message := channel.basic_get(ORDER_EXECUTION, no_ack=True)) is not None:
                for batch in _EXECUTIONS.decode(message.body)[0][0]:
                    self.deliveries += len(batch.executions)
                    self._take(self.events.setdefault(batch.shard, {}), batch.executions + batch.securities)
            while (message := channel.basic_get(DATA_FEED, no_ack=True)) is not None:
                for feed in _FEED.decode(message.body)[0][0]:
                    self._take(self.fed, feed.trades + feed.closed + feed.refused)
                    self._take(self.fed, feed.replaced + feed.replaces_refused + feed.triggered + feed.securities)
                    self.auctions |= {update.security_id: update for update in feed.auctions}
                    for update in feed.books:
                        self.mirrors.setdefault(update.security_id, BookMirror()).apply(update)

    def _take(self, events: dict[int, bytes], taken: Raws) -> None:
        for raw in taken:
            event = bytes(raw)
            assert events.setdefault(_EVENT.decode(event).event_id, event) == event, "two events of one id"

    def check(self, *, shards: Sequence[int] = (0,), timeout_s: float = 120.0) -> None:
        """Check that both stages behind get all events of the log, always the same bytes, and the engine's books."""
        engines, expected = {}, {}
        for shard in shards:
            engines[shard], expected[shard] = self.replayed(shard)
        executions = {
            shard: {
                number: encode(event)
                for number, event in events.items()
                if not isinstance(event, CancelRefused | OrderTriggered)
            }
            for shard, events in expected.items()
        }
        fed = {number: encode(event) for events in expected.values() for number, event in events.items()}
        books = {book.security_id: book for engine in engines.values() for book in engine.book_snapshots()}
        indications = {
            security_id: engine.indicative(security_id)
            for engine in engines.values()
            for security_id in [book.security_id for book in engine.book_snapshots()]
        }
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.collect()
            sequences = {security_id: mirror.sequence for security_id, mirror in self.mirrors.items()}
            if (
                all(self.events.get(shard, {}) == executions[shard] for shard in shards)
                and self.fed == fed
                and sequences == {security_id: book.sequence for security_id, book in books.items()}
                and self._indications() == indications
            ):
                break
            time.sleep(0.05)
        for shard in shards:
            assert self.events.get(shard, {}) == executions[shard]
        assert self.fed == fed
        assert self._indications() == indications
        for security_id, book in books.items():
            whole = BookMirror()
            whole.apply(book)
            assert self.mirrors[security_id].depth() == whole.depth()

    def _indications(self) -> dict[str, Indication]:
        """Return the indicative outcomes as the feed has them; NOTHING for auctions without an update."""
        return {
            security_id: Indication(update.price_cents, update.volume, update.surplus, update.surplus_side)
            if (update := self.auctions.get(security_id))
            else NOTHING
            for security_id in self.mirrors
        }


@pytest.fixture
def floor(clearing_data: Database, broker_url: str) -> Iterator[Floor]:
    """Yield a trading floor with an empty log and empty queues."""
    publisher = Publisher(app)
    with empty_queues(broker_url) as broker:
        yield Floor(clearing_data, broker, publisher)
    publisher.close()
