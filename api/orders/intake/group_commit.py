"""Group commit: what arrives while a commit is under way is committed together by the next one.

There is no timer: a lone item is committed at once, a crowd together. Decisions about time are made by the one greenlet
that commits, so that waiting for it costs an item no timer of its own; but one that has waited for something else
before has less time left than its group, and looks at its own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import gevent
import structlog
from gevent.event import Event

from api.request.time_limit import ANSWER_WITHIN_S, left_s

T = TypeVar("T")

log = structlog.get_logger()

# An item that has so much less time than its group waits as long as the group all the same [s].
_GRACE_S = 0.1
# A group that has less left than this is not begun: its outcome would only become unknown [s].
LEAST_TIME_S = 0.5


class NotBegun(Exception):
    """The item was withdrawn: its turn did not come in time, or led to nothing, and surely nothing was done."""


class CutOff(Exception):
    """The commit was under way when the time was over: it may come about or not."""


class _Group(Generic[T]):
    """Items that are committed together, and the one event that all of them wait for."""

    __slots__ = ("deadline", "done", "failure", "items", "size")

    def __init__(self) -> None:
        self.items: list[T] = []
        self.size = 0
        self.deadline = time.monotonic() + ANSWER_WITHIN_S
        self.done = Event()
        self.failure: Exception | None = None


class GroupCommit(Generic[T]):
    """Commits items in groups, from one greenlet.

    commit   takes the items of a group in the order in which they came, and leaves its results in them
    abandon  called when a commit was cut off, to put away what it may have left half done; returns whether it may
             come about all the same
    most     largest size of a group, but for a single item that is larger
    """

    def __init__(self, commit: Callable[[list[T]], None], *, abandon: Callable[[], bool], most: int) -> None:
        self._commit = commit
        self._abandon = abandon
        self._most = most
        self._waiting: deque[_Group[T]] = deque()
        self._arrived = Event()
        gevent.spawn(self._run)

    def submit(self, item: T, *, size: int) -> None:
        """Have an item committed, and return when it is.

        raises  NotBegun, CutOff, and whatever `commit` raises
        """
        group = self._waiting[-1] if self._waiting else None
        if group is None or group.size + size > self._most:
            group = _Group()
            self._waiting.append(group)
            self._arrived.set()
        group.items.append(item)
        group.size += size
        patience_s = left_s()
        if patience_s > ANSWER_WITHIN_S - _GRACE_S:
            group.done.wait()
        elif not group.done.wait(patience_s):
            raise self._withdraw(group, item, size)
        if group.failure is not None:
            raise group.failure

    def _withdraw(self, group: _Group[T], item: T, size: int) -> NotBegun | CutOff:
        """Give an item up whose time is over."""
        if group not in self._waiting:
            return CutOff()
        group.items = [other for other in group.items if other is not item]
        group.size -= size
        return NotBegun()

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            while self._waiting:
                group = self._waiting.popleft()
                group.failure = self._failure_of(group)
                group.done.set()
            self._arrived.clear()

    def _failure_of(self, group: _Group[T]) -> Exception | None:
        """Commit a group; what came in its way."""
        if not group.items:
            return None  # all of them were withdrawn
        time_s = group.deadline - time.monotonic()
        if time_s < LEAST_TIME_S:
            return NotBegun()
        # gevent's own Timeout is no Exception: it passes through handlers of faults, and SQLAlchemy knows by it that a
        # connection was left in the middle of something.
        limit = gevent.Timeout(time_s)
        try:
            with limit:
                self._commit(group.items)
        except gevent.Timeout as timeout:
            if timeout is not limit:
                raise
            return CutOff() if self._abandon() else NotBegun()
        except Exception as failure:  # noqa: BLE001  # it is raised where the item came from
            return failure
        return None
