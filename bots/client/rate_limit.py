"""Tracks a client's rate limit, so that it waits before the exchange has to refuse a request."""

from __future__ import annotations

from collections.abc import Mapping


class RateLimit:
    """The allowance according to the last answer; it refills at `limit_per_s`.

    Another process of the same client may have used it meanwhile; then the exchange answers 429 and says how long to
    wait.
    """

    def __init__(self) -> None:
        self.limit_per_s: int | None = None  # None until the first answer with the headers
        self._remaining = 0.0
        self._updated_s = 0.0

    def learn(self, headers: Mapping[str, str], now_s: float) -> None:
        """Update the allowance from an answer's headers, if it has them."""
        limit, remaining = headers.get("X-RateLimit-Limit", ""), headers.get("X-RateLimit-Remaining", "")
        if limit.isdigit() and remaining.isdigit():
            self.limit_per_s = int(limit)
            self._remaining = float(remaining)
            self._updated_s = now_s

    def remaining(self, now_s: float) -> int | None:
        """Return how many orders may be sent at once; None while unknown."""
        if self.limit_per_s is None:
            return None
        return int(min(self._remaining + self.limit_per_s * (now_s - self._updated_s), self.limit_per_s))

    def wait_s(self, orders: int, now_s: float) -> float:
        """Return how long to wait before sending this many orders [s]; at most the time that a full second needs."""
        remaining = self.remaining(now_s)
        if remaining is None or not self.limit_per_s:
            return 0.0
        return max(min(orders, self.limit_per_s) - remaining, 0) / self.limit_per_s
