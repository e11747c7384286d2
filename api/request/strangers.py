"""Limit the requests without a valid key, so that no flood of them slows down trading.

A request whose key was valid at its last look-up is a trader's, and passes. So does one whose key proves valid, once it
is looked up. All others are strangers':

- an address may send MAX_ANONYMOUS_PER_S of them, and all addresses together TOGETHER times as many;
- an address may send MAX_REFUSED_KEYS_PER_S invalid keys;
- beyond these limits the api answers 429, after a delay that slows down clients which wait for the response;
- within the limits too, requests without a key begin at a steady pace, so that no burst takes the CPU from the traders;
- the api serves a few of them at a time, with database connections of their own.

Any request may be a trader's first until its key has been looked up. So look-ups wait for no other requests, and
wherever requests wait, addresses take turns.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import gevent

from api.request import time_limit
from api.request.addresses import Proxies
from api.request.auth import Environ, Keys
from api.request.buckets import TokenBuckets
from api.request.databases import strangers_pool
from api.request.fairness import FairPace, Turns
from api.wire.problems import Problem

# Size of a full bucket [s of its rate]: enough for a page with all its files, or for many clients that start together.
BURST_S = 5.0
# All addresses together may send this many times the limit of one, and have a smaller bucket: the pace below spreads a
# burst of theirs over seconds.
TOGETHER = 2
BURST_TOGETHER_S = 1.0
# The limit of requests of open sessions of Socket.IO is this many times the limit of other requests.
OF_SESSIONS = 5
# Requests without a key that begin in a second, of all addresses together: for new streams, of sessions, and all others
# (more of these if their limit is higher). A flood comes to a limit within seconds, as the pace is a little higher.
PACE_PER_S = 300
PACE_OF_NEW_STREAMS_PER_S = 120
PACE_OF_SESSIONS_PER_S = 300
# The same for requests with keys that have to be looked up; many traders may start together.
PACE_OF_KEYS_PER_S = 150
AHEAD_OF_KEYS_S = 0.5
# How many may begin at once [s of the pace], enough for the files of a page, and the longest wait [s].
AHEAD_S = 0.25
PACE_LONGEST_S = 10.0
# Strangers' requests served at a time, and keys looked up at a time.
AT_ONCE = 2
# After a stranger's request a turn rests for this many times as long as it took, so that costly requests leave the CPU
# to the traders, too; but no longer than this [s], because on a busy machine every request takes long.
REST = 4
LONGEST_REST_S = 0.03
# Longest wait for a turn [s]: of a request without a key, and of one with a key, as many traders may arrive at once.
TURN_S = 5.0
LOOK_UP_S = 15.0
# Time after an invalid key in which the limit of all addresses together applies to its address [s].
LATELY_S = 30.0
# Delay of a refusal [s].
HELD_BACK_S = 1.0

_ALL = ""
_TOO_MANY = "the exchange receives too many requests without a valid key"
_BUSY = Problem(503, "unavailable", "the exchange is too busy to look up this key; try again", retry=True)
_TOO_MANY_OF_ADDRESS = "this address sends too many requests without a key"


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
        self._all_anonymous = TokenBuckets(per_s=TOGETHER * anonymous_per_s, burst_s=BURST_TOGETHER_S)
        self._pace = _pace(max(PACE_PER_S, 1.5 * TOGETHER * anonymous_per_s))
        # Requests for streams have their own limits: the key of most is not in the head, and no other is looked up
        # here. A polling client sends a request after each response, which costs the api little.
        self._new_streams = TokenBuckets(per_s=anonymous_per_s, burst_s=AHEAD_S, debt_s=PACE_LONGEST_S)
        self._pace_of_new_streams = _pace(PACE_OF_NEW_STREAMS_PER_S)
        self._of_sessions = TokenBuckets(per_s=OF_SESSIONS * anonymous_per_s, burst_s=BURST_S)
        self._pace_of_sessions = _pace(PACE_OF_SESSIONS_PER_S)
        self._pace_of_keys = _pace(PACE_OF_KEYS_PER_S, ahead_s=AHEAD_OF_KEYS_S)
        self._refused_keys = TokenBuckets(per_s=refused_keys_per_s, burst_s=BURST_S)
        self._all_refused_keys = TokenBuckets(per_s=TOGETHER * refused_keys_per_s, burst_s=BURST_S)
        self._refused_lately = TokenBuckets(per_s=1 / LATELY_S, burst_s=LATELY_S)  # full without any in this time
        self._turns = Turns(AT_ONCE)
        self._look_ups = Turns(AT_ONCE)

    def is_stranger(self, environ: Environ) -> bool:
        """Return whether a request lacks a key that the api knows to be valid."""
        return not self._keys.knows(environ)

    def require_leave(self, environ: Environ, *, stream: bool) -> None:
        """Return when a stranger's request may begin; otherwise raise Problem after a delay."""
        address = self._address(environ)
        try:
            if stream:
                self._await_stream(environ, address)
            elif self._keys.key_of(environ) is None:
                self._await_anonymous(address)
            else:
                self._await_look_up(address)
        except Problem:
            gevent.sleep(HELD_BACK_S)
            raise

    def look_up(self, environ: Environ) -> bool:
        """Look up the key of a request once its turn comes, and return whether it is valid.

        raises  Problem  503: its turn does not come in time; the key may be a trader's
        """
        if self._keys.key_of(environ) is None:
            return False
        if not self._keys.knows(environ):
            with self._turn(environ, self._look_ups, LOOK_UP_S, _BUSY):
                time_limit.begin()  # the wait for the turn does not count
                with suppress(Problem):  # an invalid key, or no database: the application says which
                    self._keys.identify(environ)
            if self._keys.refuses(environ):
                self._count_refused_key(self._address(environ))
        return self._keys.knows(environ)

    @contextmanager
    def turn(self, environ: Environ, *, within_s: float | None = None) -> Iterator[None]:
        """Serve a stranger inside the block, once its turn comes. Raises TooManyRequests if that takes too long."""
        with self._turn(environ, self._turns, within_s or TURN_S, TooManyRequests(_TOO_MANY)):
            if self._keys.key_of(environ) is None:
                time_limit.begin()
            yield

    @contextmanager
    def _turn(self, environ: Environ, turns: Turns, within_s: float, too_late: Problem) -> Iterator[None]:
        if not turns.take(self._address(environ), within_s):
            raise too_late
        began_s = time.monotonic()
        try:
            with strangers_pool():
                yield
        finally:
            is_trader = self._keys.knows(environ)
            rest_s = 0.0 if is_trader else min(REST * (time.monotonic() - began_s), LONGEST_REST_S)
            gevent.spawn_later(rest_s, turns.give_back)

    def _count_refused_key(self, address: str) -> None:
        self._refused_keys.take(address)
        self._refused_lately.take(address)
        self._all_refused_keys.take(_ALL)

    def _await_look_up(self, address: str) -> None:
        _require("this address has sent too many invalid keys", self._refused_keys.wait_s(address))
        if not self._refused_lately.is_full(address):  # an address without invalid keys may be a trader's
            _require("the exchange receives too many invalid keys", self._all_refused_keys.wait_s(_ALL))
        if not self._pace_of_keys.wait(address):
            raise _BUSY

    def _await_anonymous(self, address: str) -> None:
        _require(_TOO_MANY_OF_ADDRESS, self._anonymous.wait_s(address))
        self._anonymous.take(address)
        _await(self._pace, address)
        _require(_TOO_MANY, self._all_anonymous.wait_s(_ALL))
        self._all_anonymous.take(_ALL)

    def _await_stream(self, environ: Environ, address: str) -> None:
        if "sid=" in environ.get("QUERY_STRING", ""):
            _require(_TOO_MANY_OF_ADDRESS, self._of_sessions.wait_s(address))
            self._of_sessions.take(address)
            _await(self._pace_of_sessions, address)
            return
        wait_s = self._new_streams.reserve(address)
        if wait_s is None:
            raise TooManyRequests(_TOO_MANY_OF_ADDRESS, PACE_LONGEST_S)
        gevent.sleep(wait_s)
        _await(self._pace_of_new_streams, address)

    def _address(self, environ: Environ) -> str:
        return self._proxies.client(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR"))


def _pace(per_s: float, *, ahead_s: float = AHEAD_S) -> FairPace:
    return FairPace(per_s, ahead_s=ahead_s, longest_s=PACE_LONGEST_S)


def _require(detail: str, wait_s: float) -> None:
    if wait_s:
        raise TooManyRequests(detail, wait_s)


def _await(pace: FairPace, address: str) -> None:
    if not pace.wait(address):
        raise TooManyRequests(_TOO_MANY, PACE_LONGEST_S)
