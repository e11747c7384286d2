"""Reads from Postgres, page by page, the reports that no push has brought, until there are no more.

All readers that are behind take turns, a page each, so one that is far behind does not hold up the others; between
pages the process sends its other messages. Readers that have not read their last page yet are passed over.
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

# The reports in a page; sending them takes about ten milliseconds, in which nothing else is sent.
PAGE = 500
# The time between two comparisons with Postgres, which find reports that were stored and never pushed [s].
COMPARE_EVERY_S = 5.0
# The waits after a failed read of Postgres, and between two looks at readers that are all slow [s].
AGAIN_S = 1.0
LOOK_EVERY_S = 0.02
# The longest time that a page waits for slow readers; those that read nothing for this long are cut off [s].
PATIENCE_S = 10.0
# The largest part of the time that may go into pages [1].
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
    """Brings readers up to date with Postgres; runs in a greenlet of its own, for ever.

    every  returns all readers
    """

    def __init__(self, market_data: Database, every: Callable[[], Iterable[ReportReaders]]) -> None:
        self._market_data = market_data
        self._every = every
        self._behind: deque[_Behind] = deque()
        self._feeds: set[ReportFeed] = set()  # those in the queue
        self._wanted = Flag()
        self._compare_at = 0.0
        #: Whether the last attempt to read Postgres failed, so that the heads of the readers may be out of date.
        self.in_doubt = False

    def soon(self, readers: ReportReaders, feed: ReportFeed) -> None:
        """Have `run` bring the readers of a feed up to date, if they are behind."""
        if feed.is_behind and feed not in self._feeds:
            self._feeds.add(feed)
            self._behind.append(_Behind(readers, feed))
            self._wanted.set()

    def compare(self) -> None:
        """Have `run` compare all readers with Postgres, because pushes may have been lost."""
        self._compare_at = 0.0
        self._wanted.set()

    def run(self) -> None:
        """Read what is missing, for ever."""
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
        """Send a page to the first readers in the queue that are ready for it."""
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
            return  # they have left in the meantime
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
