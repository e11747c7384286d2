"""Caps on what clients may hold open: connections of one address and in all, sessions, and requests of a session.

A raw stream holds a place while it is open. A session of Socket.IO holds one for its whole life: a polling session has
no connection of its own, but takes memory all the same.

Requests begin at a steady pace: those that belong to no open session all together, and addresses take turns; those of a
session by themselves. A flood of them must not take the CPU from the streams of others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import gevent
import msgspec
from engineio import Server

from api.request.buckets import TokenBuckets
from api.request.fairness import FairPace
from api.streams.clients.places import Places, refusal
from api.wire.problems import CONTENT_TYPE, Problem

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

# Simultaneous requests of a session: it reads, it writes, and it upgrades to a WebSocket.
MAX_REQUESTS_OF_SESSION = 4
# Requests that may begin in a second: without a session, of an address and of all together; and of a session.
NEW_OF_ADDRESS_PER_S = 100
NEW_PER_S = 120
OF_SESSION_PER_S = 50
# How many may begin at once [s of these rates], and the longest wait [s].
AHEAD_S = 1.0
LONGEST_S = 10.0
# Delay of a refusal [s].
HELD_BACK_S = 1.0
# A session without a key that subscribes to nothing ends after this time [s].
IDLE_S = 60.0

RAW_PATH = "/stream/"
PRIVATE_PATH = "/stream/report"
SOCKETIO_PATH = "/socket.io/"

_TOO_MANY = "too many requests for streams; try again later"


@dataclass(slots=True)
class _Session:
    address: str
    opened_s: float
    is_anonymous: bool = True
    is_subscribed: bool = False
    requests: int = 0


class Caps:
    """A WSGI application in front of the streams that refuses requests above the caps with 429.

    address_of   returns the address of a request's client
    per_address  places that one address may hold
    end          ends a session, by its id
    """

    def __init__(
        self,
        application: Application,
        engine: Server,
        *,
        address_of: Callable[[Environ], str],
        per_address: int,
        end: Callable[[str], None],
    ) -> None:
        self._application = application
        self._address_of = address_of
        self._places = Places(per_address=per_address)
        self._end = end
        self._sessions: dict[str, _Session] = {}
        self._new_of_address = _pace(NEW_OF_ADDRESS_PER_S)
        self._new = FairPace(NEW_PER_S, ahead_s=AHEAD_S, longest_s=LONGEST_S)
        self._of_session = _pace(OF_SESSION_PER_S)
        self._watch(engine)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request, or refuse it."""
        path = environ["PATH_INFO"]
        try:
            if path.startswith(RAW_PATH):
                self._await_turn(environ)
                with self._place(self._address_of(environ), anonymous=path != PRIVATE_PATH):
                    return self._application(environ, start_response)
            if path.startswith(SOCKETIO_PATH):
                with self._request(environ):
                    return self._application(environ, start_response)
            self._await_turn(environ)
            return self._application(environ, start_response)
        except Problem as problem:
            gevent.sleep(HELD_BACK_S)
            return _answer(problem, start_response)

    def _await_turn(self, environ: Environ) -> None:
        """Let a request that belongs to no session begin in its turn."""
        address = self._address_of(environ)
        gevent.sleep(_reserve(self._new_of_address, address))
        if not self._new.wait(address):
            raise refusal(_TOO_MANY)

    @contextmanager
    def _place(self, address: str, *, anonymous: bool) -> Iterator[None]:
        self._places.check(address, anonymous=anonymous)
        place = gevent.getcurrent()
        if anonymous:
            self._places.make_room(address)
        self._places.take(address, place, end=partial(place.kill, block=False) if anonymous else None)
        try:
            yield
        finally:
            self._places.give_back(address, place)

    # -- sessions of Socket.IO -----------------------------------------------------------------------------------------

    def has_key(self, session_id: str) -> None:
        """Record that a session has given a valid key."""
        session = self._sessions.get(session_id)
        if session is not None and session.is_anonymous:
            session.is_anonymous = False
            self._places.has_key(session.address, session_id)

    def has_subscribed(self, session_id: str) -> None:
        """Record that a session has a subscription."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.is_subscribed = True

    @property
    def taken(self) -> tuple[int, int]:
        """The places that are taken, and those of clients without a key."""
        return self._places.taken, self._places.anonymous

    def end_idle(self) -> None:
        """End the sessions that have neither given a key nor subscribed in time."""
        now_s = time.monotonic()
        for session_id, session in list(self._sessions.items()):
            if session.is_anonymous and not session.is_subscribed and now_s > session.opened_s + IDLE_S:
                self._end(session_id)

    @contextmanager
    def _request(self, environ: Environ) -> Iterator[None]:
        session_id = parse_qs(environ.get("QUERY_STRING", "")).get("sid", [None])[0]
        session = self._sessions.get(session_id) if session_id else None
        if session is None:
            address = self._address_of(environ)
            if session_id is None:
                self._places.check(address, anonymous=True)
            self._await_turn(environ)
            if session_id is None:  # others may have taken the last places meanwhile
                self._places.check(address, anonymous=True)
                self._places.make_room(address)
            yield  # a new session, or one that python-engineio will refuse
            return
        if session.requests >= MAX_REQUESTS_OF_SESSION:
            raise refusal(f"a session may have {MAX_REQUESTS_OF_SESSION} requests under way")
        session.requests += 1
        try:
            gevent.sleep(_reserve(self._of_session, session_id or ""))
            yield
        finally:
            session.requests -= 1

    def _watch(self, engine: Server) -> None:
        """Observe the beginning and the end of sessions, before python-socketio does."""
        begin, end = engine.handlers["connect"], engine.handlers["disconnect"]

        def connect(session_id: str, environ: Environ) -> Any:
            address = self._address_of(environ)
            self._sessions[session_id] = _Session(address, time.monotonic())
            self._places.take(address, session_id, end=partial(self._end, session_id))
            return begin(session_id, environ)

        def disconnect(session_id: str, *reason: str) -> Any:
            session = self._sessions.pop(session_id, None)
            if session is not None:
                self._places.give_back(session.address, session_id)
            return end(session_id, *reason)

        engine.on("connect", connect)
        engine.on("disconnect", disconnect)


def _pace(per_s: float) -> TokenBuckets:
    return TokenBuckets(per_s=per_s, burst_s=AHEAD_S, debt_s=LONGEST_S)


def _reserve(pace: TokenBuckets, name: str) -> float:
    wait_s = pace.reserve(name)
    if wait_s is None:
        raise refusal(_TOO_MANY)
    return wait_s


def _answer(problem: Problem, start_response: Callable[..., Any]) -> list[bytes]:
    body = msgspec.json.encode(problem.content())
    headers = {**problem.headers(), "Content-Type": CONTENT_TYPE, "Content-Length": str(len(body))}
    start_response(f"{problem.status} {HTTPStatus(problem.status).phrase}", list(headers.items()))
    return [body]


class SubscriptionBudget:
    """Bounds the snapshots of a connection: BURST at once, and PER_S in the long run.

    One subscription to all securities may overdraw the budget; the next one then waits longer. The page of an exchange
    with 200 securities needs three of these at once.
    """

    BURST = 1_000
    PER_S = 20

    def __init__(self) -> None:
        self._left = float(self.BURST)
        self._at_s = time.monotonic()

    def take(self, snapshots: int) -> None:
        """Use up the budget. Raises Problem (429) when it is empty."""
        now_s = time.monotonic()
        self._left = min(self._left + (now_s - self._at_s) * self.PER_S, self.BURST)
        self._at_s = now_s
        if self._left < 1:
            raise Problem(429, "too_many_subscriptions", "subscribe less often; try again in some seconds", retry=True)
        self._left -= snapshots
