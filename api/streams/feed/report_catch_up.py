"""Reads from Postgres the reports that a push has not brought, page by page, until there are no more.

All readers that are behind take turns, a page each, so one that is far behind holds up none of the others; between
pages the process sends what else there is to send. Readers that have yet to read the page before are passed over.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import gevent
import structlog
from gevent.event import Event as Flag

from api.request.databases import reading
from api.streams.feed.report_feed import ReportFeed
from api.streams.feed.report_readers import ReportReaders
from api.wire.problems import Problem
from db.connect import Database
from db.market_data import reads

log = structlog.get_logger()

# Reports in a page; they take some ten milliseconds, in which nothing else is sent.
PAGE = 500
# Between two comparisons with Postgres, for reports that were stored and never pushed [s].
COMPARE_EVERY_S = 5.0
# After Postgres could not be read, and between two looks at readers that are all slow [s].
AGAIN_S = 1.0
LOOK_EVERY_S = 0.02
# How long a page waits for slow readers; those that read nothing for so long are cut off [s].
PATIENCE_S = 10.0
# What part of the time may go into pages [1].
BUSY = 0.5


@dataclass(eq=False, slots=True)
class _Behind:
    readers: ReportReaders
    feed: ReportFeed
    since_s: float = field(default_factory=time.monotonic)  # when it was last given a page

    @property
    def waits(self) -> bool:
        return self.readers.are_slow() and time.monotonic() < self.since_s + PATIENCE_S


class ReportCatchUp:
    """Brings readers up to what Postgres says; runs in a greenlet of its own, for ever.

    every  gives all readers there are
    """

    def __init__(self, market_data: Database, every: Callable[[], Iterable[ReportReaders]]) -> None:
        self._market_data = market_data
        self._every = every
        self._behind: deque[_Behind] = deque()
        self._feeds: set[ReportFeed] = set()  # those in the queue
        self._wanted = Flag()
        self._compare_at = 0.0
        #: Whether Postgres could not say lately how far readers have to come.
        self.in_doubt = False

    def soon(self, readers: ReportReaders, feed: ReportFeed) -> None:
        """Have the readers of a feed catch up, if they are behind."""
        if feed.is_behind and feed not in self._feeds:
            self._feeds.add(feed)
            self._behind.append(_Behind(readers, feed))
            self._wanted.set()

    def compare(self) -> None:
        """Have all readers compared with Postgres, as pushes may have been lost."""
        self._compare_at = 0.0
        self._wanted.set()

    def run(self) -> None:
        """Read whatever is missing."""
        while True:
            if not self._behind:
                self._wanted.wait(max(self._compare_at - time.monotonic(), 0.0))
            self._wanted.clear()
            try:
                if time.monotonic() >= self._compare_at:
                    self._compare()
                if self._behind:
                    self._turn()
            except Problem as problem:
                self.in_doubt = True
                log.warning("reports_not_read", fault=problem.detail)
                gevent.sleep(AGAIN_S)

    def _compare(self) -> None:
        self._compare_at = time.monotonic() + COMPARE_EVERY_S
        readers = [one for one in self._every() if one.has_begun]
        names = {one.client_id for one in readers}
        if names:
            asked = None if None in names else [name for name in names if name is not None]
            with reading(self._market_data) as tx:
                heads = reads.report_heads(tx, asked)
            for one in readers:
                for client_id in heads if one.client_id is None else heads.keys() & {one.client_id}:
                    feed = one.feed_of(client_id)
                    feed.reach(heads[client_id])
                    self.soon(one, feed)
        self.in_doubt = False

    def _turn(self) -> None:
        """Give a page to the first readers in the queue that are ready for it."""
        for _ in range(len(self._behind)):
            if not self._behind[0].waits:
                break
            self._behind.rotate(-1)
        else:
            gevent.sleep(LOOK_EVERY_S)
            return
        one = self._behind.popleft()
        self._feeds.discard(one.feed)
        if not one.readers.connections:
            return  # they have left meanwhile
        try:
            self._give_page(one.readers, one.feed)
        finally:
            self.soon(one.readers, one.feed)

    def _give_page(self, readers: ReportReaders, feed: ReportFeed) -> None:
        head = feed.head
        assert feed.sequence is not None, "readers that have not begun are not behind"
        with reading(self._market_data) as tx:
            page = reads.reports_after(tx, feed.client_id, after=feed.sequence, limit=PAGE)
        began_s = time.thread_time()
        readers.send(feed, page)
        if len(page) < PAGE:
            feed.end_at(head)
        gevent.sleep((time.thread_time() - began_s) * (1 / BUSY - 1))
