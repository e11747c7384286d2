"""Limit the requests without a valid key, so that no flood of them slows down trading.

A request whose key was valid at its last look-up is a trader's, and passes. So does one whose key proves valid, once it
is looked up. All others are strangers':

- an address may send MAX_ANONYMOUS_PER_S of them, and all addresses together TOGETHER times as many;
- an address may send MAX_REFUSED_KEYS_PER_S invalid keys;
- beyond these limits the api answers 429, after a delay that slows down clients which wait for the response;
- the api serves a few of them at a time, with database connections of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import gevent
from gevent.lock import BoundedSemaphore

from api.request.addresses import Proxies
from api.request.auth import Environ, Keys, admitted
from api.request.buckets import TokenBuckets
from api.request.databases import strangers_pool
from api.wire.problems import Problem

# Size of a full bucket [s of its rate]: enough for a page with all its files, or for many clients that start together.
BURST_S = 5.0
# All addresses together may send this many times the limit of one.
TOGETHER = 2
# The limit of requests for streams is this many times the limit of other requests.
STREAMS = 5
# Strangers' requests served at a time: a trader's request never waits for more of them than this.
AT_ONCE = 2
# Longest wait for a turn [s]: of a request without a key, and of one with a key, as many traders may arrive at once.
TURN_S = 2.0
LOOK_UP_S = 15.0
# Delay of a refusal [s].
HELD_BACK_S = 1.0

_ALL = ""


class TooManyRequests(Problem):
    """429: this address, or all together, send too many requests without a valid key."""

    def __init__(self, detail: str, wait_s: float = 0.0) -> None:
        super().__init__(429, "rate_limited", detail)
        self._wait_s = wait_s

    def headers(self) -> dict[str, str]:
        """Return the headers of the problem, with the time to wait."""
        return {**super().headers(), "Retry-After": str(max(math.ceil(self._wait_s), 1))}


class Strangers:
    """Limits the requests without a valid key.

    anonymous_per_s     requests of an address without a valid key
    refused_keys_per_s  invalid keys of an address
    """

    def __init__(self, keys: Keys, proxies: Proxies, *, anonymous_per_s: int, refused_keys_per_s: int) -> None:
        self._keys = keys
        self._proxies = proxies
        self._anonymous = TokenBuckets(per_s=anonymous_per_s, burst_s=BURST_S)
        self._all_anonymous = TokenBuckets(per_s=TOGETHER * anonymous_per_s, burst_s=BURST_S)
        # Requests for streams have their own limit: a polling client sends one after each response, its key is not in
        # the head, and it costs the api little.
        self._streams = TokenBuckets(per_s=STREAMS * anonymous_per_s, burst_s=BURST_S)
        self._refused_keys = TokenBuckets(per_s=refused_keys_per_s, burst_s=BURST_S)
        self._all_refused_keys = TokenBuckets(per_s=TOGETHER * refused_keys_per_s, burst_s=BURST_S)
        self._turns = BoundedSemaphore(AT_ONCE)

    def is_stranger(self, environ: Environ) -> bool:
        """Return whether a request lacks a key that the api knows to be valid."""
        return not self._keys.knows(environ)

    def has_valid_key(self, environ: Environ) -> bool:
        """Look up the key of a request that has its turn, and return whether it is valid."""
        if self._keys.key_of(environ) is None:
            return False
        with suppress(Problem):  # an invalid key, or no database: the application says which
            self._keys.identify(environ)
        return self._keys.knows(environ)

    def require_leave(self, environ: Environ, *, stream: bool) -> None:
        """Return when a stranger's request may pass; otherwise raise TooManyRequests after a delay."""
        address = self._address(environ)
        refusal = self._refusal(environ, address, stream=stream)
        if refusal is not None:
            gevent.sleep(HELD_BACK_S)
            raise refusal

    @contextmanager
    def turn(self, environ: Environ) -> Iterator[None]:
        """Serve a stranger inside the block, once its turn comes. Raises TooManyRequests if that takes too long."""
        if not self._turns.acquire(timeout=TURN_S if self._keys.key_of(environ) is None else LOOK_UP_S):
            raise TooManyRequests("the exchange receives too many requests without a valid key")
        try:
            with strangers_pool():
                yield
        finally:
            self._turns.release()
        if self._keys.key_of(environ) is not None and admitted(environ) is None and not self._keys.knows(environ):
            self._refused_keys.take(self._address(environ))
            self._all_refused_keys.take(_ALL)

    def _refusal(self, environ: Environ, address: str, *, stream: bool) -> TooManyRequests | None:
        if self._keys.key_of(environ) is not None:
            wait_s = max(self._refused_keys.wait_s(address), self._all_refused_keys.wait_s(_ALL))
            return TooManyRequests("this address has sent too many invalid keys", wait_s) if wait_s else None
        of_address = self._streams if stream else self._anonymous
        wait_s = of_address.wait_s(address)
        if not stream:
            wait_s = max(wait_s, self._all_anonymous.wait_s(_ALL))
        if wait_s:
            return TooManyRequests("this address sends too many requests without a key", wait_s)
        of_address.take(address)
        if not stream:
            self._all_anonymous.take(_ALL)
        return None

    def _address(self, environ: Environ) -> str:
        return self._proxies.client(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR"))
