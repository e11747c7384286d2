"""The streams of reports: each client reads its own, the admin those of all clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import gevent
import msgspec

from api.request.databases import reading
from api.streams.feed.announcements import Announcements
from api.streams.feed.report_catch_up import ReportCatchUp
from api.streams.feed.report_readers import LATEST_REPORTS, ReportReaders
from api.streams.sockets.rooms import Rooms
from api.streams.sockets.subscriber import Subscriber
from db.connect import Database
from db.market_data import reads
from tasks.data_feed.outgoing import FeedUpdate, Push
from tasks.data_feed.readers import ASK_EVERY_S, RENEW_EVERY_S
from tasks.data_feed.rules.rows import Report

_reports_of = msgspec.json.Decoder(list[Report]).decode


class PrivateStreams:
    """The readers of each client's reports."""

    def __init__(self, rooms: Rooms, market_data: Database, announcements: Announcements) -> None:
        self._rooms = rooms
        self._market_data = market_data
        self._announcements = announcements
        self._readers: dict[str | None, ReportReaders] = {}  # None: readers of all clients' reports
        self._catch_up = ReportCatchUp(market_data, lambda: list(self._readers.values()))

    # -- what is new -------------------------------------------------------------------------------------------------

    def publish(self, push: Push) -> None:
        """Send what is new, where nothing before it is missing; otherwise `run` reads it all from Postgres."""
        for update in push.reports:
            readers = [self._readers[name] for name in (update.about, None) if name in self._readers]
            if readers:
                self._publish(readers, update)

    def _publish(self, readers: Iterable[ReportReaders], update: FeedUpdate) -> None:
        reports = _reports_of(update.data)
        for one in readers:
            feed = one.feed_of(update.about)
            feed.reach(update.sequence)
            if feed.follows(update.previous_sequence):
                one.send(feed, reports)
            self._catch_up.soon(one, feed)

    def compare(self) -> None:
        """Have `run` compare what was sent with what is stored, because something may have been missed."""
        self._catch_up.compare()

    def announce(self) -> None:
        """Have the feed push the reports that are read here."""
        self._announcements.make(self._readers.keys())

    def run(self) -> None:
        """Read what was missed, for ever."""
        self._catch_up.run()

    def renew_announcements(self) -> None:
        """Announce the readers again before the announcements end, for ever."""
        while True:
            gevent.sleep(RENEW_EVERY_S)
            self.announce()

    # -- connections -------------------------------------------------------------------------------------------------

    def open(self, client_id: str | None) -> ReportReaders:
        """Add a connection to the readers of a client's or, with None, of all reports. The first waits for Postgres.

        raises  Problem (503)  Postgres cannot be read
        """
        readers = self._readers.setdefault(client_id, ReportReaders(self._rooms, client_id))
        readers.connections += 1
        if not readers.has_begun:
            try:
                self._announcements.make([client_id])
                gevent.sleep(ASK_EVERY_S)  # before the read: see tasks.data_feed.readers
                self._begin(readers)
            except BaseException:
                self.close(readers)
                raise
        return readers

    def _begin(self, readers: ReportReaders) -> None:
        heads: dict[str, int] = {}
        latest: list[Report] = []
        with reading(self._market_data) as tx:
            if readers.client_id is None:
                heads = reads.report_heads(tx, None)
            else:
                latest = reads.reports(tx, readers.client_id, limit=LATEST_REPORTS)[::-1]
        if readers.has_begun:
            return  # another connection was faster
        readers.begin(heads | {report.client_id: report.sequence for report in latest}, latest)
        for feed in readers.feeds:
            self._catch_up.soon(readers, feed)

    def close(self, readers: ReportReaders) -> None:
        """Remove a connection from the readers."""
        readers.connections -= 1
        if not readers.connections:
            del self._readers[readers.client_id]

    @contextmanager
    def subscribed(self, subscriber: Subscriber, client_id: str | None) -> Iterator[None]:
        """Send the reports of a client or, with None, of all clients to a raw subscriber inside the block.

        raises  Problem (503)  Postgres cannot be read
        """
        readers = self.open(client_id)
        readers.subscribers.add(subscriber)
        try:
            yield
        finally:
            readers.subscribers.discard(subscriber)
            self.close(readers)

    def sequences(self) -> dict[str, int]:
        """Return the sequence of the last stored report of each client that has readers, as far as it is known."""
        if self._catch_up.in_doubt:
            return {}
        return {
            client_id: readers.feed_of(client_id).head
            for client_id, readers in self._readers.items()
            if client_id is not None and readers.has_begun
        }
