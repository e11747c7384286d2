"""Virtual time: jumps to the next due action and runs it."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

US_PER_S = 1_000_000
FOREVER_US = 2**62


class Clock:
    """A queue of actions, ordered by due time and, for equal times, by the order in which they were added.

    So each run does the same things in the same order, and none reads the real clock.
    """

    __slots__ = ("_numbers", "_queue", "now_us")

    def __init__(self) -> None:
        self.now_us = 0  # since the start of the match
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, due_us: int, action: Callable[[], None]) -> None:
        """Schedule an action; one that is due in the past runs now."""
        heappush(self._queue, (max(due_us, self.now_us), next(self._numbers), action))

    def run(self, until_us: int = FOREVER_US) -> None:
        """Run all actions due before `until_us` and advance to that time; without it, run until none is left."""
        queue = self._queue
        while queue and queue[0][0] < until_us:
            due_us, _, action = heappop(queue)
            self.now_us = due_us
            action()
        if until_us != FOREVER_US:
            self.now_us = until_us
