"""The stream of news, read from Postgres a few times a second while it has subscribers."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

import gevent
import structlog
from gevent.event import Event as Flag
from msgspec import Raw

from api.request.databases import reading
from api.streams.feed.forms import Event, Kind, content_of
from api.streams.sockets.rooms import Rooms
from api.wire.auctions import news_of
from api.wire.outgoing import time_of
from api.wire.problems import Problem
from db.connect import Database
from db.market_data import news
from db.market_data.news import News

log = structlog.get_logger()

CHANNEL = "news"
# The number of pieces that a subscriber begins with, and the time between two reads [s].
LATEST_NEWS = 50
EVERY_S = 0.25


class NewsStream:
    """The news as its subscribers know it; the sequence is the id of the last piece."""

    channel = CHANNEL

    def __init__(self, rooms: Rooms, market_data: Database) -> None:
        self._rooms = rooms
        self._market_data = market_data
        self._latest: deque[News] = deque(maxlen=LATEST_NEWS)
        self._wanted = Flag()

    @property
    def sequence(self) -> int:
        """The id of the last piece."""
        return self._latest[-1].news_id if self._latest else 0

    def snapshot(self) -> Raw:
        """Return what a subscriber begins with. Wakes `run`, which sends the news since its last read."""
        self._wanted.set()
        return content_of(self._event("snapshot", 0, self._latest))

    def run(self) -> None:
        """Read and send, for ever."""
        while True:
            if self._rooms.is_empty(CHANNEL):
                self._wanted.clear()
                self._wanted.wait()
            self._look()
            gevent.sleep(EVERY_S)

    def _look(self) -> None:
        before = self.sequence
        try:
            with reading(self._market_data) as tx:
                if before:
                    new = news.news_after(tx, after=before, limit=LATEST_NEWS)
                else:
                    new = news.news(tx, limit=LATEST_NEWS)[::-1]
        except Problem as problem:
            log.warning("news_not_read", fault=problem.detail)
            return
        if new:
            self._latest.extend(new)
            if not self._rooms.is_empty(CHANNEL):
                self._rooms.send(CHANNEL, content_of(self._event("update", before, new)), CHANNEL)

    def _event(self, kind: Kind, previous_sequence: int, items: Collection[News]) -> Event:
        last = self._latest[-1] if self._latest else None
        return Event(
            channel=CHANNEL,
            security_id=None,
            type=kind,
            sequence=self.sequence,
            previous_sequence=previous_sequence,
            timestamp=time_of(last.published_us) if last else None,
            data=[news_of(one) for one in items],
        )
