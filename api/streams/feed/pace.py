"""Tells something at once when it has not been told for a while, and otherwise as soon as it may be told again."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent


class Pace:
    """The pace at which things are told, each on its own.

    every_s  between two times that the same thing is told
    tell     tells it; called at most once for all that was asked for in between
    """

    def __init__(self, *, every_s: float, tell: Callable[[str], None]) -> None:
        self._every_s = every_s
        self._tell = tell
        self._again_at: dict[str, float] = {}
        self._waiting: set[str] = set()

    def soon(self, about: str) -> None:
        """Have something told: before this returns, or else when it is time to."""
        if about in self._waiting:
            return
        wait_s = self._again_at.get(about, 0.0) - time.monotonic()
        if wait_s <= 0:
            self._now(about)
        else:
            self._waiting.add(about)
            gevent.spawn_later(wait_s, self._now, about)

    def _now(self, about: str) -> None:
        self._waiting.discard(about)
        self._again_at[about] = time.monotonic() + self._every_s
        self._tell(about)
