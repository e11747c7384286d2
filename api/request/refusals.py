"""Limit the refused requests of a client.

A refused request does not count against the limit of orders, so that a mistake does not stop a client from trading. But
it costs the api as much as a valid request, so refusals have a limit of their own: a token bucket for each client, in
each process. Beyond it the api refuses the client's next requests before it reads them, until the bucket is half full.
"""

from __future__ import annotations

import math
import time

from api.wire.problems import Problem
from db.clearing_data.clients.keys import Identity

# Size of a full bucket, and the level at which an emptied bucket works again [s of its rate].
BURST_S = 2.0
AGAIN_S = 1.0


class TooManyRefusals(Problem):
    """429: the client has sent too many requests that were refused."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(429, "rate_limited", "the client has sent too many invalid requests; nothing was queued")
        self._wait_s = wait_s

    def headers(self) -> dict[str, str]:
        """Return the headers of the problem, with the time to wait."""
        return {**super().headers(), "Retry-After": str(max(math.ceil(self._wait_s), 1))}


class RefusalLimits:
    """Counts the refused requests of each client, but not those of the admin.

    per_s  average rate that a client may reach
    """

    def __init__(self, *, per_s: int) -> None:
        self._each_s = 1 / per_s
        self._full_at_s: dict[str, float] = {}  # the time at which each bucket will be full again [monotonic]
        self._blocked: set[str] = set()

    def check(self, identity: Identity) -> None:
        """Return if the client may send another request. Raises TooManyRefusals."""
        if identity.client_id in self._blocked:
            wait_s = self._full_at_s[identity.client_id] - time.monotonic() - (BURST_S - AGAIN_S)
            if wait_s > 0:
                raise TooManyRefusals(wait_s)
            self._blocked.discard(identity.client_id)

    def count(self, identity: Identity, refused: int = 1) -> None:
        """Count refused requests, or refused elements of an array."""
        if identity.role == "admin":
            return
        now_s = time.monotonic()
        full_at_s = max(self._full_at_s.get(identity.client_id, 0.0), now_s) + refused * self._each_s
        self._full_at_s[identity.client_id] = full_at_s
        if full_at_s - now_s > BURST_S:
            self._blocked.add(identity.client_id)
