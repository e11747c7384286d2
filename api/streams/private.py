"""The streams of reports: each client reads its own, the admin everyone's."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from sqlalchemy import Connection

from api.answers import encode
from api.databases import reading
from api.outgoing import report_of, time_of
from api.problems import Problem
from api.streams.forms import Event, Kind, content_of
from api.streams.rooms import EVERYONES_REPORTS, Rooms, room_of
from api.streams.subscriber import Subscriber
from api.streams.websocket import text_frame
from db.connect import Database
from db.market_data import reads
from db.market_data.rows import Report
from tasks.data_feed.outgoing import Push

# How many reports a Socket.IO subscriber begins with, and how many are read at once where some were missed.
LATEST_REPORTS = 50
MISSED_REPORTS = 1_000

_reports_of = msgspec.json.Decoder(list[Report]).decode


class Feed:
    """The reports of one client that somebody listens to."""

    __slots__ = ("client_id", "early", "latest", "listeners", "sequence", "subscribers")

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.listeners = 0  # how many opened it and have not closed it
        self.subscribers: set[Subscriber] = set()
        self.latest: deque[Report] = deque(maxlen=LATEST_REPORTS)
        self.sequence: int | None = None  # of the last report told; None until what was before is read
        self.early: list[Report] = []  # told before that

    def begin(self, latest: Iterable[Report]) -> None:
        """Take the latest reports, newest first, and then those that were told in the meantime."""
        self.sequence = 0
        self.take(reversed(list(latest)))
        self.take(self.early)
        self.early = []

    def take(self, reports: Iterable[Report]) -> list[Report]:
        """Take reports, oldest first; returns those that are new."""
        assert self.sequence is not None, "what was before is not read yet"
        new = [report for report in reports if report.sequence > self.sequence]
        if new:
            self.sequence = new[-1].sequence
            self.latest.extend(new)
        return new

    def snapshot(self) -> Event:
        """What a subscriber begins with."""
        return _event("snapshot", self.sequence or 0, 0, self.latest)


class PrivateStreams:
    """Who listens to which client's reports."""

    def __init__(self, rooms: Rooms, market_data: Database) -> None:
        self._rooms = rooms
        self._market_data = market_data
        self._feeds: dict[str, Feed] = {}
        self._everyones: set[Subscriber] = set()

    # -- what is new -------------------------------------------------------------------------------------------------

    def tell(self, push: Push) -> bool:
        """Tell what is new; returns whether something before it is missing, for which Postgres has to be read."""
        everyones = bool(self._everyones) or not self._rooms.is_empty(EVERYONES_REPORTS)
        gap = False
        for told in push.reports:
            feed = self._feeds.get(told.about)
            if feed is None and not everyones:
                continue
            reports = _reports_of(told.data)
            if everyones and reports:
                self._send(reports, told.previous_sequence, EVERYONES_REPORTS, self._everyones)
            if feed is None:
                continue
            if feed.sequence is None:
                feed.early += reports
            elif told.previous_sequence > feed.sequence:
                gap = True
            else:
                self._tell_client(feed, reports)
        return gap

    def read(self, tx: Connection) -> dict[str, list[Report]]:
        """What Postgres says of the clients that somebody listens to, after what was told of them."""
        return {
            feed.client_id: reads.reports_after(tx, feed.client_id, after=feed.sequence, limit=MISSED_REPORTS)
            for feed in list(self._feeds.values())
            if feed.sequence is not None
        }

    def catch_up(self, missed: dict[str, list[Report]]) -> None:
        """Tell what Postgres says."""
        for client_id, reports in missed.items():
            feed = self._feeds.get(client_id)
            if feed is not None and feed.sequence is not None:
                self._tell_client(feed, reports)

    def _tell_client(self, feed: Feed, reports: Iterable[Report]) -> None:
        before = feed.sequence or 0
        if new := feed.take(reports):
            self._send(new, before, room_of("report", feed.client_id), feed.subscribers)

    def _send(self, reports: Sequence[Report], before: int, room: str, subscribers: Collection[Subscriber]) -> None:
        if not self._rooms.is_empty(room):
            self._rooms.send("report", content_of(_event("update", reports[-1].sequence, before, reports)), room)
        if subscribers:
            frames = b"".join([text_frame(encode(report_of(report))) for report in reports])
            for subscriber in subscribers:
                subscriber.offer(frames)

    # -- who listens -------------------------------------------------------------------------------------------------

    def open(self, client_id: str) -> Feed:
        """Begin to listen to a client's reports; waits for Postgres the first time.

        raises  Problem (503)  Postgres cannot be read
        """
        feed = self._feeds.setdefault(client_id, Feed(client_id))
        feed.listeners += 1
        if feed.sequence is None:
            try:
                with reading(self._market_data) as tx:
                    latest = reads.reports(tx, client_id, limit=LATEST_REPORTS)
            except Problem:
                self.close(feed)
                raise
            if feed.sequence is None:  # or else another listener was faster
                feed.begin(latest)
        return feed

    def close(self, feed: Feed) -> None:
        """Listen no more."""
        feed.listeners -= 1
        if not feed.listeners:
            del self._feeds[feed.client_id]

    @contextmanager
    def subscribed(self, subscriber: Subscriber, client_id: str | None) -> Iterator[None]:
        """Send reports to a raw subscriber inside the block: a client's or, with None, everyone's.

        raises  Problem (503)  Postgres cannot be read
        """
        feed = self.open(client_id) if client_id is not None else None
        subscribers = feed.subscribers if feed else self._everyones
        subscribers.add(subscriber)
        try:
            yield
        finally:
            subscribers.discard(subscriber)
            if feed:
                self.close(feed)

    def sequences(self) -> dict[str, int]:
        """The last sequence of each client that somebody listens to."""
        return {feed.client_id: feed.sequence for feed in self._feeds.values() if feed.sequence is not None}


def everyones_snapshot() -> Event:
    """What who reads everyone's reports begins with: nothing, and the sequences are each client's own."""
    return _event("snapshot", 0, 0, [])


def _event(kind: Kind, sequence: int, previous_sequence: int, reports: Collection[Report]) -> Event:
    return Event(
        channel="report",
        security_id=None,
        type=kind,
        sequence=sequence,
        previous_sequence=previous_sequence,
        timestamp=time_of(max(report.stored_us for report in reports)) if reports else None,
        data=[report_of(report) for report in reports],
    )
