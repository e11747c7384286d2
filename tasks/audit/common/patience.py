"""How long an audit waits for messages in the queues."""

from __future__ import annotations

import time

_POLL_S = 0.25


class Patience:
    """Waits for missing rows as long as their number decreases, and gives up when it does not.

    limit_s  how long the number may stay the same [s]
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._missing: int | None = None
        self._since_s = 0.0

    def wait(self, missing: int) -> bool:
        """Wait a moment if rows are missing; return False if none are missing or the wait is over."""
        now_s = time.monotonic()
        if self._missing is None or missing < self._missing:
            self._missing = missing
            self._since_s = now_s
        if not missing or now_s - self._since_s >= self._limit_s:
            return False
        time.sleep(_POLL_S)
        return True
