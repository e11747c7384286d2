"""Limit the orders of a client in a second: a token bucket for each client, shared by its keys and all api processes.

A script in Redis changes the bucket, so that no two processes can interfere. Asking Redis for each order would cost
more than the order itself: a process takes tokens in advance, enough for a twentieth of a second, and hands them out.
The tokens that it does not use lengthen a burst by no more than that.

An order needs Redis for nothing else, so trading continues without it: each process then counts by itself until Redis
is back.
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
from db.clearing_data.clients.keys import Identity

log = structlog.get_logger()

# Tokens that a process takes in advance [s of the client's rate], and the time before it asks again for a client that
# has none left [s]: long enough for tokens to accumulate.
CHUNK_S = 0.05
LEAST_WAIT_S = 0.02
# Size of a full bucket [s of its rate].
BURST_S = 1.0
# Time that Redis may take before it counts as unreachable, and time between two attempts to reach it again [s].
REDIS_S = 0.25
AGAIN_S = 1.0
CONNECTIONS = 4

# The state of a bucket is the time at which it will be full again (GCRA).
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
    """The orders that a client may still send at once, and the time until it may send a full second's worth [s]."""

    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """Return the response headers that report the allowance."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
        }


class TooManyOrders(Problem):
    """429: the client has sent more orders than its limit allows."""

    def __init__(self, allowance: Allowance, *, wait_s: float) -> None:
        super().__init__(
            429,
            "rate_limited",
            f"the client has reached its limit of {allowance.limit:,} orders per second, over all its keys; "
            "nothing was queued",
            retry=True,
        )
        self._allowance = allowance
        self._wait_s = wait_s

    def headers(self) -> dict[str, str]:
        """Return the headers of the problem, with the allowance."""
        return {**super().headers(), **self._allowance.headers(), "Retry-After": str(max(math.ceil(self._wait_s), 1))}


class _Lease:
    """The tokens of a client that this process may hand out, and the last known state of the bucket in Redis."""

    __slots__ = ("asked", "capacity", "chunk", "each_s", "empty_until_s", "full_at_s", "left", "rate", "tokens")

    def __init__(self, rate: int, *, capacity: int) -> None:
        self.rate = rate  # of the client [orders/s]
        self.each_s = 1 / rate
        self.capacity = capacity
        self.chunk = max(round(rate * CHUNK_S), 1)
        self.tokens = 0
        self.left = 0  # in the bucket after the last request for tokens
        self.full_at_s = 0.0  # the time at which the bucket will be full again [monotonic]
        self.empty_until_s = 0.0  # no request for tokens before this time [monotonic]
        self.asked: Event | None = None  # set when the request for tokens in progress ends


class RateLimits:
    """Counts the orders of each client.

    orders_per_s  average rate that a client may reach, unless its account has its own limit
    most_at_once  largest number of orders in one request; a full bucket holds at least this many tokens, unless the
                  account has its own limit
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
        """Take tokens for the orders of a request, all of them or, with TooManyOrders, none."""
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
        """Return tokens that were taken for orders that the api then refused; return the allowance after it."""
        lease = self._leases[identity.client_id]
        # At most a full bucket: tokens held here do not expire.
        lease.tokens = min(lease.tokens + orders, lease.capacity)
        return self._allowance(lease)

    def _lease(self, of_account: int | None) -> _Lease:
        """Return a lease without tokens, of a client's own rate if it has one: what it had at another rate is gone."""
        if of_account is not None:
            return _Lease(of_account, capacity=max(round(of_account * BURST_S), 1))
        return _Lease(self._orders_per_s, capacity=max(round(self._orders_per_s * BURST_S), self._most_at_once))

    def _allowance(self, lease: _Lease) -> Allowance:
        reset_s = max(math.ceil(lease.full_at_s - time.monotonic()), 0)
        return Allowance(lease.rate, lease.tokens + lease.left, reset_s)

    def _fill(self, client_id: str, lease: _Lease, orders: int, now_s: float) -> None:
        """Fetch the tokens that the orders need and, if possible, some in advance."""
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
        """Return the tokens given, the tokens left, and the time until the bucket is full again [s]."""
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
