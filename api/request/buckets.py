"""Token buckets of this process, one for each name."""

from __future__ import annotations

import time

# Buckets that are kept; full ones are dropped before.
MOST_BUCKETS = 20_000


class Buckets:
    """Counts what each name uses up.

    per_s    tokens that come together in a second
    burst_s  what a full bucket holds [s of its rate]
    """

    def __init__(self, *, per_s: float, burst_s: float) -> None:
        self._each_s = 1 / per_s
        self._burst_s = burst_s
        self._full_at_s: dict[str, float] = {}  # when each will be full again [monotonic]

    def wait_s(self, name: str) -> float:
        """Return how long it takes until the bucket has a token; 0 when it has one."""
        return max(self._full_at_s.get(name, 0.0) + self._each_s - time.monotonic() - self._burst_s, 0.0)

    def take(self, name: str) -> None:
        """Take a token, whether there is one or not."""
        now_s = time.monotonic()
        if name not in self._full_at_s and len(self._full_at_s) >= MOST_BUCKETS:
            self._drop_full(now_s)
        # No deeper than one second of debt, so that a flood that has ended is forgotten.
        deepest_s = now_s + self._burst_s + 1.0
        self._full_at_s[name] = min(max(self._full_at_s.get(name, 0.0), now_s) + self._each_s, deepest_s)

    def _drop_full(self, now_s: float) -> None:
        """Make room; where too few are full, all are dropped, and the limit of all names together has to do."""
        self._full_at_s = {name: full_at_s for name, full_at_s in self._full_at_s.items() if full_at_s > now_s}
        if len(self._full_at_s) > MOST_BUCKETS // 2:
            self._full_at_s = {}
