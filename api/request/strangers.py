"""Requests without a valid key: however many there are, they do not hold up those who trade.

A request whose key was valid when it was last looked up is a trader's, and passes. One whose key is found to be valid
is a trader's from then on. All others are strangers', and

- each address may send MAX_ANONYMOUS_PER_S of them, and all addresses together as many as TOGETHER of these;
- each address may send MAX_REFUSED_KEYS_PER_S keys that are not valid;
- beyond that, 429 comes after a moment, so that a client that sends its next request after the answer slows down;
- a few are served at a time, with database connections of their own.

A key that is looked up for the first time only waits for its look-up: if it is valid, its request is a trader's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import gevent
from gevent.lock import BoundedSemaphore

from api.request.addresses import Proxies
from api.request.auth import Environ, Keys, admitted
from api.request.buckets import Buckets
from api.request.databases import strangers_lane
from api.wire.problems import Problem

# What an address may have saved [s of its rate]: a page with all its files, or a start of many clients at once.
BURST_S = 5.0
# All addresses together may send as much as so many of them.
TOGETHER = 2
# Of requests for streams an address may send so many times as many as of others.
STREAMS = 5
# Strangers that are served at a time. Whenever a trader's request could go on, it waits for no more of them than this.
AT_ONCE = 2
# How long a request without a key waits for its turn [s], and one with a key: a crowd of traders may arrive at once.
TURN_S = 2.0
LOOK_UP_S = 15.0
# How long a refusal is held back [s].
HELD_BACK_S = 1.0

_EVERYBODY = ""


class TooManyRequests(Problem):
    """429: too much comes from this address without a valid key."""

    def __init__(self, detail: str, wait_s: float = 0.0) -> None:
        super().__init__(429, "rate_limited", detail)
        self._wait_s = wait_s

    def headers(self) -> dict[str, str]:
        """The headers that go with the problem."""
        return {**super().headers(), "Retry-After": str(max(math.ceil(self._wait_s), 1))}


class Strangers:
    """Limits the requests without a valid key.

    anonymous_per_s     requests of an address
    refused_keys_per_s  keys of an address that are not valid
    """

    def __init__(self, keys: Keys, proxies: Proxies, *, anonymous_per_s: int, refused_keys_per_s: int) -> None:
        self._keys = keys
        self._proxies = proxies
        self._anonymous = Buckets(per_s=anonymous_per_s, burst_s=BURST_S)
        self._all_anonymous = Buckets(per_s=TOGETHER * anonymous_per_s, burst_s=BURST_S)
        # Requests for streams are counted by themselves: a client that polls sends one for each answer, and its key is
        # not in the head. They cost the api little.
        self._streams = Buckets(per_s=STREAMS * anonymous_per_s, burst_s=BURST_S)
        self._refused_keys = Buckets(per_s=refused_keys_per_s, burst_s=BURST_S)
        self._all_refused_keys = Buckets(per_s=TOGETHER * refused_keys_per_s, burst_s=BURST_S)
        self._turns = BoundedSemaphore(AT_ONCE)

    def is_stranger(self, environ: Environ) -> bool:
        """Return whether the key of a request is not known to be valid."""
        return not self._keys.knows(environ)

    def has_valid_key(self, environ: Environ) -> bool:
        """Look up the key of a request that has its turn, and return whether it is valid."""
        if self._keys.key_of(environ) is None:
            return False
        with suppress(Problem):  # an invalid key, or no database: the application says which
            self._keys.identify(environ)
        return self._keys.knows(environ)

    def require_leave(self, environ: Environ, *, stream: bool) -> None:
        """Let a stranger's request pass, or hold the refusal back and raise TooManyRequests."""
        address = self._address(environ)
        refusal = self._refusal(environ, address, stream=stream)
        if refusal is not None:
            gevent.sleep(HELD_BACK_S)
            raise refusal

    @contextmanager
    def turn(self, environ: Environ) -> Iterator[None]:
        """Serve a stranger inside the block. Raises TooManyRequests when its turn does not come in time."""
        if not self._turns.acquire(timeout=TURN_S if self._keys.key_of(environ) is None else LOOK_UP_S):
            raise TooManyRequests("too many requests come without a valid key")
        try:
            with strangers_lane():
                yield
        finally:
            self._turns.release()
        if self._keys.key_of(environ) is not None and admitted(environ) is None and not self._keys.knows(environ):
            self._refused_keys.take(self._address(environ))
            self._all_refused_keys.take(_EVERYBODY)

    def _refusal(self, environ: Environ, address: str, *, stream: bool) -> TooManyRequests | None:
        if self._keys.key_of(environ) is not None:
            wait_s = max(self._refused_keys.wait_s(address), self._all_refused_keys.wait_s(_EVERYBODY))
            return TooManyRequests("too many keys of this address were refused", wait_s) if wait_s else None
        of_address = self._streams if stream else self._anonymous
        wait_s = of_address.wait_s(address)
        if not stream:
            wait_s = max(wait_s, self._all_anonymous.wait_s(_EVERYBODY))
        if wait_s:
            return TooManyRequests("too many requests come from this address without a key", wait_s)
        of_address.take(address)
        if not stream:
            self._all_anonymous.take(_EVERYBODY)
        return None

    def _address(self, environ: Environ) -> str:
        return self._proxies.client(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR"))
