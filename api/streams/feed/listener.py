"""Listens to what the feed pushes through Redis, and reads what was missed there from Postgres.

While Redis is away or does not answer, the listener reads Postgres once a second instead: subscribers still get
everything, only later.
"""

from __future__ import annotations

import time

import gevent
import msgspec
import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import RedisError
from redis.retry import Retry

from api.request.databases import reading
from api.streams.feed import day, public
from api.streams.feed.candles import CandleStreams
from api.streams.feed.day import DayStreams
from api.streams.feed.private import PrivateStreams
from api.streams.feed.public import PublicStreams
from api.wire.problems import Problem
from db.connect import Database
from tasks.data_feed.outgoing import Push, channel_of

log = structlog.get_logger()

# The time between two attempts to reach Redis, and between two reads of Postgres while something is missing [s].
AGAIN_S = 1.0
CONNECT_TIMEOUT_S = 1.0
# Redis is taken to hang when it has not answered a ping for longer than this [s].
PONG_S = 2.0

_decode = msgspec.json.Decoder(Push).decode


class Listener:
    """Passes news on to the streams; runs in a greenlet of its own, for ever."""

    def __init__(
        self,
        redis_url: str,
        market_data: Database,
        public_streams: PublicStreams,
        candle_streams: CandleStreams,
        day_streams: DayStreams,
        private_streams: PrivateStreams,
    ) -> None:
        self._redis = Redis.from_url(
            redis_url,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=None,  # messages may be any time apart
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            # With protocol 3, redis-py formats a log line for each push, even if it is not logged.
            protocol=2,
        )
        self._market_data = market_data
        self._public = public_streams
        self._candles = candle_streams
        self._day = day_streams
        self._private = private_streams
        self._redis_is_away = False
        # Whether something may have been missed, whether old data has to be sent again, and when to read.
        self._behind = True
        self._repeat = True
        self._read_at = 0.0
        self._pinged_at: float | None = None  # when the ping was sent that Redis has not answered yet

    def run(self) -> None:
        """Pass on what is pushed and, whenever something may have been missed, what Postgres has."""
        while True:
            try:
                self._pinged_at = None
                with self._redis.pubsub() as channel:
                    channel.subscribe(channel_of(self._redis))
                    self._listen(channel)
            except (RedisError, OSError) as fault:
                if not self._redis_is_away:
                    log.warning("redis_away", fault=str(fault)[:200])
                self._redis_is_away = True
            self._behind = True
            self._catch_up()
            time.sleep(AGAIN_S)

    def _listen(self, channel: PubSub) -> None:
        while True:
            message = channel.get_message(timeout=AGAIN_S)
            self._mind_silence(channel, silent=message is None)
            if message is not None and message["type"] == "subscribe":
                if self._redis_is_away:
                    log.info("redis_back")
                self._redis_is_away = False
                self._private.announce()  # a Redis that was started again knows nothing
                self._behind = self._repeat = True
                self._read_at = 0.0
            elif message is not None and message["type"] == "message":
                self._take(message["data"])
                # While Redis has more messages, reading never waits; so let the greenlets that send this one run.
                gevent.sleep(0)
            if self._behind:
                self._catch_up()

    def _mind_silence(self, channel: PubSub, *, silent: bool) -> None:
        """Ping Redis while it is silent: when it hangs, its connections stay open, but it pushes nothing."""
        if not silent:
            self._pinged_at = None
        elif self._pinged_at is None:
            channel.ping()
            self._pinged_at = time.monotonic()
        elif time.monotonic() - self._pinged_at > PONG_S:
            self._behind = True

    def _take(self, data: bytes) -> None:
        try:
            push = _decode(data)
            gaps = [streams.publish(push) for streams in (self._public, self._candles, self._day)]
            self._private.publish(push)
        except Exception:
            # Any program that reaches Redis can publish anything; that must not end the streams.
            log.warning("push_unreadable", size=len(data), exc_info=True)
            return
        self._behind = any(gaps) or self._behind or push.resynchronise
        self._repeat = self._repeat or push.resynchronise

    def _catch_up(self) -> None:
        """Read Postgres and send what is new, at most once every `AGAIN_S`, even after a failure."""
        if time.monotonic() < self._read_at:
            return
        self._read_at = time.monotonic() + AGAIN_S
        self._private.compare()
        try:
            with reading(self._market_data) as tx:
                stored = public.read(tx)
                candles = self._candles.read(tx)
                of_day = day.read(tx)
        except Problem:
            return
        self._public.catch_up(stored, repeat=self._repeat)
        self._candles.catch_up(candles)
        self._day.catch_up(of_day, repeat=self._repeat)
        if self._repeat:
            log.info("resynchronised")
        self._behind = self._repeat = False
