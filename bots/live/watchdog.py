"""Ends a bot whose callback does not return, and shows where it hangs.

Only ending the process helps: a thread cannot be stopped from outside, and a bot that no longer reads events must not
keep orders in the market.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread, get_ident

# Time between two checks [s].
LOOK_EVERY_S = 0.25


class Watchdog:
    """Calls `on_hang` from its own thread when the thread that made it spends too long inside the context."""

    def __init__(self, longest_s: float, on_hang: Callable[[int, float], None]) -> None:
        self._longest_s = longest_s
        self._on_hang = on_hang
        self._watched = get_ident()
        self._busy_since_s: float | None = None
        Thread(target=self._watch, daemon=True).start()

    def __enter__(self) -> None:
        """Start the clock: a callback begins."""
        self._busy_since_s = time.monotonic()

    def __exit__(self, *_: object) -> None:
        """Stop the clock: the callback has returned."""
        self._busy_since_s = None

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            since_s = self._busy_since_s
            if since_s is not None and time.monotonic() - since_s > self._longest_s:
                self._on_hang(self._watched, self._longest_s)
                return
