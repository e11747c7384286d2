"""Which clients' reports are read as they come: the streams announce it in Redis, and the feed asks there.

The feed asks at most every `ASK_EVERY_S`, and needs the answer after it has committed to Postgres; a reader waits for
as long between its announcement and its first read of Postgres. So what is stored while a reader comes is read from
Postgres, or pushed, or both. Nothing depends on it but promptness: every few seconds the streams compare what they have
sent with what is stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from redis import Redis

from tasks.data_feed.outgoing import channel_of

# How long an announcement lasts, and how often the streams renew it [s].
LASTS_S = 15.0
RENEW_EVERY_S = 5.0
# The age of an answer with which the feed still decides [s]: to ask for each lone order would cost a tenth of its time.
ASK_EVERY_S = 0.05
# Stands for all clients: no client has an empty name.
EVERYONE = ""


class Readers:
    """The announcements of all processes with streams; every method raises RedisError or OSError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._key = f"{channel_of(redis)}.readers"
        self._asked_at_s = -math.inf
        self._names: frozenset[bytes] = frozenset()

    def announce(self, client_ids: Iterable[str], *, now_s: float) -> None:
        """Announce readers of the reports of clients, or of EVERYONE, at a time [s since 1970, UTC]."""
        until = dict.fromkeys(client_ids, now_s + LASTS_S)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(self._key, "-inf", now_s)
            if until:
                pipe.zadd(self._key, until, gt=True)
            pipe.execute()

    def at(self, now_s: float) -> Callable[[str], bool]:
        """Return a function that says whether a client's reports have a reader at a time [s since 1970, UTC]."""
        if not 0 <= now_s - self._asked_at_s < ASK_EVERY_S:
            self._names = frozenset(self._redis.zrangebyscore(self._key, now_s, "inf"))  # type: ignore[arg-type]
            self._asked_at_s = now_s
        names = self._names
        if EVERYONE.encode() in names:
            return lambda _: True
        return lambda client_id: client_id.encode() in names
