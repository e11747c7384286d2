"""How long an audit waits for what is on its way."""

from __future__ import annotations

import time

_POLL_S = 0.25


class Patience:
    """Waits for something to arrive as long as ever more of it does; it is given up when nothing more comes.

    limit_s  how long nothing may arrive [s]
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._missing: int | None = None
        self._since_s = 0.0

    def wait(self, missing: int) -> bool:
        """Wait a moment if something is missing; False when nothing is, or it is time to give up."""
        now_s = time.monotonic()
        if self._missing is None or missing < self._missing:
            self._missing = missing
            self._since_s = now_s
        if not missing or now_s - self._since_s >= self._limit_s:
            return False
        time.sleep(_POLL_S)
        return True
