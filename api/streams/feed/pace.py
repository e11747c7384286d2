"""Sends something at once when it has not been sent for a while, and otherwise as soon as it may be sent again."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent


class Pace:
    """Limits how often each thing is published.

    every_s  shortest time between two messages about the same thing
    publish  sends it; requests in between share one call
    """

    def __init__(self, *, every_s: float, publish: Callable[[str], None]) -> None:
        self._every_s = every_s
        self._publish = publish
        self._again_at: dict[str, float] = {}
        self._waiting: set[str] = set()

    def soon(self, about: str) -> None:
        """Have something sent: before this returns if it is time, and otherwise as soon as it is."""
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
        self._publish(about)
