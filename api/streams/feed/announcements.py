"""Announces to the feed whose reports are read here, so that it pushes no others."""

from __future__ import annotations

import time
from collections.abc import Collection

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tasks.data_feed.readers import EVERYONE, Readers

# A Redis that hangs delays a new reader by this [s].
TIMEOUT_S = 0.25


class Announcements:
    """The announcements of this process."""

    def __init__(self, redis_url: str) -> None:
        redis = Redis.from_url(
            redis_url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._readers = Readers(redis)

    def make(self, client_ids: Collection[str | None]) -> None:
        """Announce readers of clients' reports; None stands for all clients.

        While Redis is away this does nothing: it brings no pushes either, and the streams read Postgres instead.
        """
        try:
            self._readers.announce([client_id or EVERYONE for client_id in client_ids], now_s=time.time())
        except (RedisError, OSError):
            return
