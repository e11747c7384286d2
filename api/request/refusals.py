"""How often a client's requests may be refused.

A refused request uses up nothing of the limit of orders, so that a mistake does not stop a client from trading. But it
costs the api as much as one that is good, so refusals have a limit of their own: a token bucket for each client, in
each process. Beyond it the client's next requests are refused before they are read, until the bucket is half full.
"""

from __future__ import annotations

import math
import time

from api.wire.problems import Problem
from db.clearing_data.keys import Identity

# A bucket that is full holds so much; one that was emptied is used again when it has so much [s of its rate].
BURST_S = 2.0
AGAIN_S = 1.0


class TooManyRefusals(Problem):
    """429: the client's requests were refused too often."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(429, "rate_limited", "too many requests of this client were refused; nothing was queued")
        self._wait_s = wait_s

    def headers(self) -> dict[str, str]:
        """The headers that go with the problem."""
        return {**super().headers(), "Retry-After": str(max(math.ceil(self._wait_s), 1))}


class Refusals:
    """Counts the refused requests of each client; the admin's are not counted.

    per_s  how many a client may have on average
    """

    def __init__(self, *, per_s: int) -> None:
        self._each_s = 1 / per_s
        self._full_at_s: dict[str, float] = {}  # when each client's bucket will be full again [monotonic]
        self._blocked: set[str] = set()

    def check(self, identity: Identity) -> None:
        """Let a client's request pass. Raises TooManyRefusals."""
        if identity.client_id in self._blocked:
            wait_s = self._full_at_s[identity.client_id] - time.monotonic() - (BURST_S - AGAIN_S)
            if wait_s > 0:
                raise TooManyRefusals(wait_s)
            self._blocked.discard(identity.client_id)

    def count(self, identity: Identity, refused: int = 1) -> None:
        """Count requests, or elements of an array, that were refused."""
        if identity.role == "admin":
            return
        now_s = time.monotonic()
        full_at_s = max(self._full_at_s.get(identity.client_id, 0.0), now_s) + refused * self._each_s
        self._full_at_s[identity.client_id] = full_at_s
        if full_at_s - now_s > BURST_S:
            self._blocked.add(identity.client_id)
