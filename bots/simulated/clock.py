"""Virtual time: what is due next happens next, and time jumps there."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

US_PER_S = 1_000_000
FOREVER_US = 2**62


class Clock:
    """A queue of things to do, by the time at which they are due, and of one time by the order they were put there.

    So the same things are done in the same order each time, and nobody asks what time it is in the world.
    """

    __slots__ = ("_numbers", "_queue", "now_us")

    def __init__(self) -> None:
        self.now_us = 0  # since the start of the match
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, due_us: int, action: Callable[[], None]) -> None:
        """Do something at a time, which may not be over: what is due in the past is due now."""
        heappush(self._queue, (max(due_us, self.now_us), next(self._numbers), action))

    def run(self, until_us: int = FOREVER_US) -> None:
        """Do all that is due before `until_us`, and stop there; without it, until nothing is left to do."""
        queue = self._queue
        while queue and queue[0][0] < until_us:
            due_us, _, action = heappop(queue)
            self.now_us = due_us
            action()
        if until_us != FOREVER_US:
            self.now_us = until_us
