"""Readers of reports: the connections of one client, for its reports, or of the admin, for those of all clients."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence

from api.streams.feed.forms import Event, Kind, content_of
from api.streams.feed.report_feed import ReportFeed
from api.streams.sockets.rooms import EVERYONES_REPORTS, Rooms, room_of
from api.streams.sockets.subscriber import Subscriber
from api.streams.sockets.websocket import text_frame
from api.wire.answers import encode
from api.wire.outgoing import report_of, time_of
from tasks.data_feed.rules.rows import Report

# The number of reports that a Socket.IO subscriber begins with.
LATEST_REPORTS = 50


class ReportReaders:
    """Connections that receive the same reports.

    client_id  the client whose reports they receive; None for all clients
    """

    def __init__(self, rooms: Rooms, client_id: str | None) -> None:
        self.client_id = client_id
        self.room = EVERYONES_REPORTS if client_id is None else room_of("report", client_id)
        self.connections = 0
        self.subscribers: set[Subscriber] = set()
        self.has_begun = False  # whether the reports stored before they came are known
        self._rooms = rooms
        self._feeds: dict[str, ReportFeed] = {}
        self._latest: deque[Report] = deque(maxlen=LATEST_REPORTS)
        if client_id is not None:
            self.feed_of(client_id)

    @property
    def feeds(self) -> list[ReportFeed]:
        """Their progress with each client whose reports they receive."""
        return list(self._feeds.values())

    def feed_of(self, client_id: str) -> ReportFeed:
        """Return their progress with a client. A client that first appears after they began had no earlier reports."""
        if client_id not in self._feeds:
            self._feeds[client_id] = ReportFeed(client_id, sequence=0 if self.has_begun else None)
        return self._feeds[client_id]

    def begin(self, heads: Mapping[str, int], latest: Iterable[Report] = ()) -> None:
        """Continue from what is stored.

        heads   the sequences of the clients' last reports
        latest  the last of these reports, oldest first, if a subscriber begins with them
        """
        self.has_begun = True
        for client_id in heads:
            self.feed_of(client_id)
        for feed in self.feeds:
            feed.begin(heads.get(feed.client_id, 0))
        self._latest.extend(latest)

    def send(self, feed: ReportFeed, reports: Iterable[Report]) -> None:
        """Send the new reports among these, which follow what was sent and are oldest first."""
        before = feed.sequence or 0
        new = feed.take(reports)
        if not new:
            return
        own = self.client_id is not None
        if own:
            self._latest.extend(new)
        if not self._rooms.is_empty(self.room):
            event = _event("update", new[-1].sequence, before, new)
            self._rooms.send("report", content_of(event), self.room, own=own)
        if self.subscribers:
            frames = b"".join([text_frame(encode(report_of(report))) for report in new])
            for subscriber in list(self.subscribers):
                subscriber.offer(frames, own=own)

    def are_slow(self) -> bool:
        """Return whether one of them has not read yet what was sent before."""
        return self._rooms.is_slow(self.room) or any(subscriber.is_slow for subscriber in self.subscribers)

    def snapshot(self) -> Event:
        """Return what a Socket.IO subscriber begins with: none for all clients, whose sequences differ."""
        if self.client_id is None:
            return _event("snapshot", 0, 0, [])
        return _event("snapshot", self.feed_of(self.client_id).sequence or 0, 0, self._latest)


def _event(kind: Kind, sequence: int, previous_sequence: int, reports: Sequence[Report] | deque[Report]) -> Event:
    return Event(
        channel="report",
        security_id=None,
        type=kind,
        sequence=sequence,
        previous_sequence=previous_sequence,
        timestamp=_last_stored(reports),
        data=[report_of(report) for report in reports],
    )


def _last_stored(reports: Collection[Report]) -> str | None:
    return time_of(max(report.stored_us for report in reports)) if reports else None
