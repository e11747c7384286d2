"""Ends a bot whose strategy does not come back from a callback, and shows where it hangs.

Nothing but the end of the process helps: a thread cannot be stopped from outside, and a bot that hears nothing any
more must not keep orders in the market as if it did.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread, get_ident

# How often it looks [s].
LOOK_EVERY_S = 0.25


class Watchdog:
    """Calls `on_hang` from a thread of its own when the thread that made it is busy for too long."""

    def __init__(self, longest_s: float, on_hang: Callable[[int, float], None]) -> None:
        self._longest_s = longest_s
        self._on_hang = on_hang
        self._watched = get_ident()
        self._busy_since_s: float | None = None
        Thread(target=self._watch, daemon=True).start()

    def __enter__(self) -> None:
        """The strategy is called."""
        self._busy_since_s = time.monotonic()

    def __exit__(self, *_: object) -> None:
        """It is back."""
        self._busy_since_s = None

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            since_s = self._busy_since_s
            if since_s is not None and time.monotonic() - since_s > self._longest_s:
                self._on_hang(self._watched, self._longest_s)
                return
