"""What a client knows of its rate limit, so that it waits before the exchange has to refuse it."""

from __future__ import annotations

from collections.abc import Mapping


class RateLimit:
    """The allowance of a key as the last answer told it; it fills again at `limit_per_s`.

    Another client with the same key may have used it meanwhile: then there is a 429 all the same, which says how
    long to wait.
    """

    def __init__(self) -> None:
        self.limit_per_s: int | None = None  # None until an answer has told
        self._remaining = 0.0
        self._told_s = 0.0

    def learn(self, headers: Mapping[str, str], now_s: float) -> None:
        """Take what an answer says, if it says something."""
        limit, remaining = headers.get("X-RateLimit-Limit", ""), headers.get("X-RateLimit-Remaining", "")
        if limit.isdigit() and remaining.isdigit():
            self.limit_per_s = int(limit)
            self._remaining = float(remaining)
            self._told_s = now_s

    def remaining(self, now_s: float) -> int | None:
        """Orders that may be sent at once; None while nothing is known."""
        if self.limit_per_s is None:
            return None
        return int(min(self._remaining + self.limit_per_s * (now_s - self._told_s), self.limit_per_s))

    def wait_s(self, orders: int, now_s: float) -> float:
        """How long to wait before so many orders are sent [s]; of more than the limit nobody need wait for all."""
        remaining = self.remaining(now_s)
        if remaining is None or not self.limit_per_s:
            return 0.0
        return max(min(orders, self.limit_per_s) - remaining, 0) / self.limit_per_s
