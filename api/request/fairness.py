"""Take turns between names: what waits under one name delays each request of another by one at most."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable

import gevent
from gevent.event import Event

from api.request.buckets import TokenBuckets

_ALL = ""


class WaitingLine:
    """Greenlets that wait until they are called: one of each name in rotation, and those of a name in their order."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Event]] = OrderedDict()

    def __bool__(self) -> bool:
        """Return whether a greenlet waits."""
        return bool(self._waiting)

    def waiting(self, name: str) -> int:
        """Return how many greenlets wait under a name."""
        return len(self._waiting.get(name, ()))

    def wait(self, name: str, within_s: float, *, missed: Callable[[], None] | None = None) -> bool:
        """Wait to be called; return whether that happened in time.

        missed  takes the call of a greenlet that is killed before it notices
        """
        called = Event()
        self._waiting.setdefault(name, deque()).append(called)
        try:
            called.wait(within_s if within_s < math.inf else None)
        except BaseException:
            if called.is_set() and missed is not None:
                missed()
            raise
        finally:
            if not called.is_set():
                self._remove(name, called)
        return called.is_set()

    def call(self) -> bool:
        """Call the next greenlet; return whether one waited."""
        if not self._waiting:
            return False
        name, waiting = self._waiting.popitem(last=False)
        waiting.popleft().set()
        if waiting:
            self._waiting[name] = waiting
        return True

    def _remove(self, name: str, called: Event) -> None:
        waiting = self._waiting[name]
        waiting.remove(called)
        if not waiting:
            del self._waiting[name]


class FairPace:
    """Lets requests begin at a steady pace, at most `per_s` in a second, and addresses take turns.

    ahead_s    how many may begin at once after a pause [s of the pace]
    longest_s  the longest wait [s]
    """

    def __init__(self, per_s: float, *, ahead_s: float, longest_s: float) -> None:
        self._pace = TokenBuckets(per_s=per_s, burst_s=ahead_s)
        self._longest_s = longest_s
        self._most_of_address = per_s * longest_s
        self._line = WaitingLine()
        self._calls = False

    def wait(self, address: str) -> bool:
        """Return True when a request may begin; False if that would take too long."""
        if not self._line and not self._pace.wait_s(_ALL):
            self._pace.take(_ALL)
            return True
        if self._line.waiting(address) >= self._most_of_address:
            return False
        if not self._calls:
            self._calls = True
            gevent.spawn(self._call)
        return self._line.wait(address, self._longest_s)

    def _call(self) -> None:
        """Call the waiting requests, at the pace, until none is left."""
        gevent.sleep(self._pace.wait_s(_ALL))
        while self._line.call():
            self._pace.take(_ALL)
            gevent.sleep(self._pace.wait_s(_ALL))
        self._calls = False


class Turns:
    """Limits the requests that are served at a time; addresses take turns.

    at_once  their number
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._line = WaitingLine()

    def take(self, address: str, within_s: float) -> bool:
        """Wait for a turn; return whether it came in time."""
        if self._free:
            self._free -= 1
            return True
        return self._line.wait(address, within_s, missed=self.give_back)

    def give_back(self) -> None:
        """Give a turn to the next request."""
        if not self._line.call():
            self._free += 1
