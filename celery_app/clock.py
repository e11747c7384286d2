"""The wall clock of every process. Rules never read it: they get times as arguments."""

from __future__ import annotations

import time


def now_us() -> int:
    """Return the time in microseconds since 1970, UTC."""
    return time.time_ns() // 1_000
