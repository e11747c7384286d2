"""Group commit: the items that arrive during a commit share the next one.

There is no delay: a lone item is committed at once, a crowd together. The one greenlet that commits watches the time
for the whole group, so that an item needs no timer. Only an item that has spent part of its time elsewhere has less
time left than its group, and waits with a timer of its own.
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

# An item whose time ends at most this much before its group's waits as long as the group [s].
_GRACE_S = 0.1
# A group that has less time left than this is not committed: its outcome would only become unknown [s].
LEAST_TIME_S = 0.5


class NotBegun(Exception):
    """The item was not committed: its turn did not come in time, or the commit certainly had no effect."""


class CutOff(Exception):
    """The time ran out during the commit: it may have taken effect or not."""


class _Group(Generic[T]):
    """Items that share a commit, and the one event for which all of them wait."""

    __slots__ = ("deadline", "done", "failure", "items", "size")

    def __init__(self) -> None:
        self.items: list[T] = []
        self.size = 0
        self.deadline = time.monotonic() + ANSWER_WITHIN_S
        self.done = Event()
        self.failure: Exception | None = None


class GroupCommit(Generic[T]):
    """Commits items in groups, from one greenlet.

    commit   takes the items of a group in the order in which they arrived, and leaves its results in them
    abandon  cleans up after a commit that was cut off; returns whether the commit may still take effect
    most     largest size of a group; a single larger item is a group by itself
    """

    def __init__(self, commit: Callable[[list[T]], None], *, abandon: Callable[[], bool], most: int) -> None:
        self._commit = commit
        self._abandon = abandon
        self._most = most
        self._waiting: deque[_Group[T]] = deque()
        self._arrived = Event()
        gevent.spawn(self._run)

    def submit(self, item: T, *, size: int) -> None:
        """Return when the item is committed.

        raises  NotBegun, CutOff, and the exceptions of `commit`
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
        """Take an item whose time is over out of its group."""
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
        """Commit a group, and return the exception that prevented it."""
        if not group.items:
            return None  # all items were withdrawn
        time_s = group.deadline - time.monotonic()
        if time_s < LEAST_TIME_S:
            return NotBegun()
        # gevent's own Timeout is not an Exception: it passes through handlers of faults, and SQLAlchemy discards the
        # connection that was in use.
        limit = gevent.Timeout(time_s)
        try:
            with limit:
                self._commit(group.items)
        except gevent.Timeout as timeout:
            if timeout is not limit:
                raise
            return CutOff() if self._abandon() else NotBegun()
        except Exception as failure:  # noqa: BLE001  # each waiting greenlet raises it
            return failure
        return None
