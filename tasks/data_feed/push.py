"""Pushes stored rows to the streams through Redis; a lost message costs subscribers no more than a snapshot.

The truth is in Postgres, and every stream has sequences. So Redis never delays or fails the storing: the feed uses
short time-outs, leaves Redis alone for a while after a failure, and then publishes that messages are missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import msgspec
import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tasks.data_feed.outgoing import News, Push, channel_of
from tasks.data_feed.readers import Readers

T = TypeVar("T")

log = structlog.get_logger()

TIMEOUT_S = 0.25
# How long the feed leaves Redis alone after a failure; otherwise a hung Redis would cost every batch the time-out [s].
PAUSE_S = 0.5

RESYNCHRONISE = Push(resynchronise=True)


class Pusher:
    """The feed's end of the Redis channel."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._channel = channel_of(self._redis)
        self._readers = Readers(self._redis)
        self._clock = clock
        self._again_at = 0.0
        # A worker that dies between a commit and its push leaves a gap, so every worker starts as if after one.
        self._missing = True
        self._out = False

    def push_news(self, news: News) -> None:
        """Push the news of a batch that is committed, with the reports that have readers.

        If Redis is away, note that the subscribers miss it.
        """
        if not news.is_news:
            return
        has_reader = self._asked(lambda: self._readers.at(time.time()))
        if has_reader is None:
            self._missing = True
        elif (push := news.push(has_reader)).is_news:
            self.push(push)

    def push(self, push: Push) -> None:
        """Push a message, or note that the subscribers miss it."""
        if self._missing:
            self.mend()
        if self._missing or not self._publish(push):
            self._missing = True

    def miss(self) -> None:
        """Note that the subscribers may miss a message."""
        self._missing = True

    def mend(self) -> None:
        """Make the subscribers resynchronise after a message was not pushed, as soon as Redis is available."""
        if self._missing and self._publish(RESYNCHRONISE):
            self._missing = False

    def _publish(self, push: Push) -> bool:
        return self._asked(lambda: self._redis.publish(self._channel, msgspec.json.encode(push))) is not None

    def _asked(self, ask: Callable[[], T]) -> T | None:
        """Return what Redis answers; None while it is away, or is left alone after a failure."""
        if self._clock() < self._again_at:
            return None
        try:
            answer = ask()
        except (RedisError, OSError) as fault:
            self._again_at = self._clock() + PAUSE_S
            if not self._out:
                log.warning("redis_away", fault=str(fault)[:200])
            self._out = True
            return None
        if self._out:
            log.info("redis_back")
        self._out = False
        return answer
