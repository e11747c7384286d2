"""How many orders a client may send in a second: a token bucket for each client, shared by all keys and api processes.

The bucket stands in Redis and is changed by a script there, so that no two processes see it in between. To ask for
each order would cost more than the order: a process takes tokens in advance, a twentieth of a second's worth at a
time, and hands them out itself. What it holds and does not use is at most that much more of a burst.

Redis is needed for nothing else on the way of an order, so without it trading goes on: each process then counts for
itself, until Redis is back.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import gevent
import structlog
from gevent.event import Event
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from api.wire.problems import Problem
from db.clearing_data.keys import Identity

log = structlog.get_logger()

# What a process takes in advance, and how long a client that has none left waits before it is looked at again; in that
# time as many tokens come together as are worth asking for [s].
CHUNK_S = 0.05
LEAST_WAIT_S = 0.02
# A bucket that is full holds so much [s of its rate].
BURST_S = 1.0
# How long Redis may take; then it counts as away, and is asked again after a while [s].
REDIS_S = 0.25
AGAIN_S = 1.0
CONNECTIONS = 4

# A bucket is the time at which it will be full again, as no more than that has to be known of it (GCRA).
# ARGV: us for one token, us for all tokens, tokens needed, tokens wanted. Returns: tokens given, left, us until full.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local each = tonumber(ARGV[1])
local tokens = math.floor((ARGV[2] - (full_at - now)) / each)
local given = 0
if tokens >= tonumber(ARGV[3]) then
    given = math.min(tokens, tonumber(ARGV[4]))
    full_at = full_at + given * each
    redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000) + 1)
end
return {given, tokens - given, math.ceil(full_at - now)}
"""


class Allowance(NamedTuple):
    """What a client may send after its request [orders], and until it may send a whole second's worth at once [s]."""

    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """The headers that tell it."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
        }


class TooManyOrders(Problem):
    """429: the client has sent more than it may."""

    def __init__(self, allowance: Allowance, *, wait_s: float) -> None:
        super().__init__(
            429,
            "rate_limited",
            "the client sends more orders than it may, over all its keys; nothing was queued",
            retry=True,
        )
        self._allowance = allowance
        self._wait_s = wait_s

    def headers(self) -> dict[str, str]:
        """The headers that go with the problem."""
        return {**super().headers(), **self._allowance.headers(), "Retry-After": str(max(math.ceil(self._wait_s), 1))}


class _Lease:
    """The tokens of a client that this process may hand out, and what is known of the bucket behind them."""

    __slots__ = ("asked", "capacity", "chunk", "each_s", "empty_until_s", "full_at_s", "left", "rate", "tokens")

    def __init__(self, rate: int, *, capacity: int) -> None:
        self.rate = rate  # of the client [orders/s]
        self.each_s = 1 / rate
        self.capacity = capacity
        self.chunk = max(round(rate * CHUNK_S), 1)
        self.tokens = 0
        self.left = 0  # in the bucket, when it was last looked at
        self.full_at_s = 0.0  # when the bucket will be full again [monotonic]
        self.empty_until_s = 0.0  # it is not looked at before [monotonic]
        self.asked: Event | None = None  # while somebody looks


class RateLimits:
    """Counts the orders of each client.

    orders_per_s      what a client may send on average, unless its account has a limit of its own
    most_at_once      orders that one request may have; a full bucket is enough for them, but for a limit of its own
    """

    def __init__(self, redis_url: str, *, orders_per_s: int, most_at_once: int) -> None:
        self._orders_per_s = orders_per_s
        self._most_at_once = most_at_once
        self._leases: dict[str, _Lease] = {}
        pool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=CONNECTIONS,
            timeout=REDIS_S,
            socket_timeout=REDIS_S,
            socket_connect_timeout=REDIS_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis(connection_pool=pool)
        self._take = self._redis.register_script(_TAKE)
        self._alone = False

    def take(self, identity: Identity, orders: int) -> Allowance:
        """Take tokens for the orders of a request. Raises TooManyOrders, and then none are taken."""
        client_id = identity.client_id
        lease = self._leases.get(client_id)
        if lease is None or lease.rate != (identity.orders_per_s or self._orders_per_s):
            lease = self._leases[client_id] = self._lease(identity.orders_per_s)
        while lease.tokens < orders:
            if lease.asked is not None:
                lease.asked.wait()
                continue
            now_s = time.monotonic()
            if now_s >= lease.empty_until_s:
                self._fill(client_id, lease, orders, now_s)
            if lease.tokens < orders:
                wait_s = max(lease.empty_until_s - time.monotonic(), 0.0)
                raise TooManyOrders(self._allowance(lease), wait_s=wait_s)
        lease.tokens -= orders
        return self._allowance(lease)

    def give_back(self, identity: Identity, orders: int) -> Allowance:
        """Give back tokens that were taken for orders of which nothing came; what may be sent after it."""
        lease = self._leases[identity.client_id]
        # No more than a full bucket: what is held here does not age.
        lease.tokens = min(lease.tokens + orders, lease.capacity)
        return self._allowance(lease)

    def _lease(self, of_account: int | None) -> _Lease:
        """A lease without tokens, of a client's own rate if it has one: what it had at another rate is gone."""
        if of_account is not None:
            return _Lease(of_account, capacity=max(round(of_account * BURST_S), 1))
        return _Lease(self._orders_per_s, capacity=max(round(self._orders_per_s * BURST_S), self._most_at_once))

    def _allowance(self, lease: _Lease) -> Allowance:
        reset_s = max(math.ceil(lease.full_at_s - time.monotonic()), 0)
        return Allowance(lease.rate, lease.tokens + lease.left, reset_s)

    def _fill(self, client_id: str, lease: _Lease, orders: int, now_s: float) -> None:
        """Take as many tokens as are needed for the orders, and if possible some more."""
        needed = orders - lease.tokens
        lease.asked = Event()
        try:
            given, lease.left, full_in_s = self._given(client_id, lease, needed, max(needed, lease.chunk), now_s)
        finally:
            asked, lease.asked = lease.asked, None
            asked.set()
        lease.tokens += given
        lease.full_at_s = time.monotonic() + full_in_s
        if not given:
            missing_s = (needed - lease.left) * lease.each_s
            lease.empty_until_s = time.monotonic() + max(missing_s, LEAST_WAIT_S)

    def _given(self, client_id: str, lease: _Lease, needed: int, wanted: int, now_s: float) -> tuple[int, int, float]:
        """Tokens given, tokens left, and when the bucket will be full again [s from now]."""
        if not self._alone:
            try:
                given, left, full_in_us = self._take(
                    keys=[f"stock_exchange:orders:{client_id}"],
                    args=[lease.each_s * 1e6, lease.capacity * lease.each_s * 1e6, needed, wanted],
                )
                return given, left, full_in_us / 1e6
            except (RedisError, OSError) as fault:
                self._go_on_alone(fault)
        full_in_s = max(lease.full_at_s - now_s, 0.0)
        tokens = int(lease.capacity - full_in_s / lease.each_s)
        given = min(tokens, wanted) if tokens >= needed else 0
        return given, tokens - given, full_in_s + given * lease.each_s

    def _go_on_alone(self, fault: Exception) -> None:
        if not self._alone:
            self._alone = True
            log.warning("rate_limits_alone", fault=str(fault)[:200])
            gevent.spawn(self._wait_for_redis)

    def _wait_for_redis(self) -> None:
        while self._alone:
            gevent.sleep(AGAIN_S)
            try:
                self._redis.ping()
            except (RedisError, OSError):
                continue
            self._alone = False
            log.info("rate_limits_shared")
