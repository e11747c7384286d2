"""Token buckets in this process, one for each name."""

from __future__ import annotations

import time

# Full buckets are dropped when there are this many.
MOST_BUCKETS = 20_000


class TokenBuckets:
    """A token bucket for each name.

    per_s    tokens that a bucket gains in a second
    burst_s  size of a full bucket [s of its rate]
    debt_s   how far a bucket may fall below empty [s of its rate]
    """

    def __init__(self, *, per_s: float, burst_s: float, debt_s: float = 1.0) -> None:
        self._each_s = 1 / per_s
        self._burst_s = burst_s
        self._debt_s = debt_s
        self._full_at_s: dict[str, float] = {}  # the time at which each will be full again [monotonic]

    def wait_s(self, name: str) -> float:
        """Return the time until the bucket has a token; 0 when it has one."""
        return max(self._full_at_s.get(name, 0.0) + self._each_s - time.monotonic() - self._burst_s, 0.0)

    def is_full(self, name: str) -> bool:
        """Return whether the bucket is full: no token has been taken lately."""
        return self._full_at_s.get(name, 0.0) <= time.monotonic()

    def take(self, name: str) -> None:
        """Take a token, whether there is one or not."""
        now_s = time.monotonic()
        if name not in self._full_at_s and len(self._full_at_s) >= MOST_BUCKETS:
            self._drop_full(now_s)
        # The debt has a limit, so that a flood has no effect long after its end.
        deepest_s = now_s + self._burst_s + self._debt_s
        self._full_at_s[name] = min(max(self._full_at_s.get(name, 0.0), now_s) + self._each_s, deepest_s)

    def give_back(self, name: str) -> None:
        """Put a token back that was taken for nothing."""
        if name in self._full_at_s:
            self._full_at_s[name] -= self._each_s

    def reserve(self, name: str) -> float | None:
        """Take a token that need not be there yet.

        returns  the time until the bucket has it [s]; None, without taking it, if that is longer than the debt
        """
        wait_s = self.wait_s(name)
        if wait_s > self._debt_s:
            return None
        self.take(name)
        return wait_s

    def _drop_full(self, now_s: float) -> None:
        """Drop the full buckets; when too few are full, drop all, and rely on the limit of all names together."""
        self._full_at_s = {name: full_at_s for name, full_at_s in self._full_at_s.items() if full_at_s > now_s}
        if len(self._full_at_s) > MOST_BUCKETS // 2:
            self._full_at_s = {}
