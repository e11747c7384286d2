"""Authenticate requests: the key alone decides on whose behalf a request acts."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from typing import Any

import structlog
from flask import request
from gevent.event import AsyncResult

from api.request.databases import reading
from api.wire.declaration import Caller
from api.wire.problems import forbidden, invalid, not_found, unauthorized, unavailable
from api.wire.schema import CLIENT_ID_PATTERN
from db.clearing_data.clients import keys
from db.clearing_data.clients.keys import Identity
from db.connect import Database

log = structlog.get_logger()

# The ids that an account may have.
CLIENT_ID = re.compile(CLIENT_ID_PATTERN)
KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")

# The key under which the guard leaves the identity in a request's environment.
_IDENTITY = "exchange.identity"
_KEY_AND_DIGEST = "exchange.key"
# The api remembers at most this many unknown keys, and as many valid ones.
MOST_REMEMBERED = 10_000
# Time before the api looks an unknown key up again, and time for which a valid key still counts as a trader's [s].
UNKNOWN_S = 5.0
VALID_S = 600.0
# The environment of a WSGI request.
Environ = dict[str, Any]

_ADMIN = "it takes the admin's key"
_READING = frozenset({"GET", "HEAD"})


@dataclass(slots=True)
class _CachedKey:
    identity: Identity
    until_s: float  # monotonic


class Keys:
    """Looks keys up and caches them briefly; a key that cannot be looked up is not admitted.

    remember_s  time before a key is looked up again; a revoked key works no longer than this
    """

    def __init__(self, clearing_data: Database, *, remember_s: float) -> None:
        self._clearing_data = clearing_data
        self._remember_s = remember_s
        self._known: dict[bytes, _CachedKey] = {}
        self._unknown: dict[bytes, float] = {}  # until when it is not looked up [monotonic]
        self._asked: dict[bytes, AsyncResult] = {}

    def admit(self, caller: Caller, environ: Environ) -> Identity | None:
        """Admit a request whose key fits the route, and return its identity; None on a public route.

        raises  Problem (401, 403, 503)
        """
        if caller == "public":
            return None
        identity = self.identify(environ)
        if caller == "admin" and identity.role != "admin":
            raise forbidden(_ADMIN)
        if identity.read_only and (caller == "client_write" or environ["REQUEST_METHOD"] not in _READING):
            raise forbidden("this key only reads")
        environ[_IDENTITY] = identity
        return identity

    def identify(self, environ: Environ | None = None) -> Identity:
        """Return the identity of a request, by default the one that Flask is serving. Raises Problem (401, 503)."""
        if environ is None:
            environ = request.environ
        admitted: Identity | None = environ.get(_IDENTITY)
        if admitted is not None:
            return admitted
        found = _key_and_digest(environ)
        if found is None:
            raise unauthorized()
        key, digest = found
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known.until_s:
            return known.identity
        if time.monotonic() < self._unknown.get(digest, 0.0):
            raise unauthorized()
        return self._look_up(key, digest)

    def knows(self, environ: Environ) -> bool:
        """Return whether the key of a request was valid when it was last looked up."""
        found = _key_and_digest(environ)
        return found is not None and found[1] in self._known

    def refuses(self, environ: Environ) -> bool:
        """Return whether the key of a request was found to be invalid a short time ago."""
        found = _key_and_digest(environ)
        return found is not None and time.monotonic() < self._unknown.get(found[1], 0.0)

    @staticmethod
    def key_of(environ: Environ) -> str | None:
        """Return the key of a request, valid or not; None without a well-formed key."""
        found = _key_and_digest(environ)
        return found[0] if found else None

    def admin(self) -> Identity:
        """Return the identity of the admin. Raises Problem (401, 403, 503) for any other."""
        identity = self.identify()
        if identity.role != "admin":
            raise forbidden(_ADMIN)
        return identity

    def allowed(self, client_id: str) -> Identity:
        """Return the identity of a request for a client's data: the client or the admin.

        raises  Problem (401, 403, 404, 503)
        """
        identity = self.identify()
        if identity.role != "admin" and identity.client_id != client_id:
            raise forbidden()
        if not CLIENT_ID.fullmatch(client_id):
            raise not_found("account")
        return identity

    def _look_up(self, key: str, digest: bytes) -> Identity:
        """Look a key up in Postgres; concurrent requests with the same key wait for the same result."""
        asked = self._asked.get(digest)
        if asked is None:
            asked = self._asked[digest] = AsyncResult()
            try:
                asked.set(self._ask(key, digest))
            except Exception as fault:  # noqa: BLE001  # every waiting request raises it, this one too
                asked.set_exception(fault)
            except BaseException:
                # This request was cut off. The others were not, and may try again.
                asked.set_exception(unavailable("the database"))
                raise
            finally:
                del self._asked[digest]
        identity: Identity = asked.get()
        return identity

    def _ask(self, key: str, digest: bytes) -> Identity:
        with reading(self._clearing_data) as tx:
            identity = keys.find_key(tx, key)
        now_s = time.monotonic()
        if identity is None:
            self._known.pop(digest, None)
            if len(self._unknown) >= MOST_REMEMBERED:
                self._unknown.clear()  # a flood of keys; each costs one more look-up
            self._unknown[digest] = now_s + UNKNOWN_S
            raise unauthorized()
        if len(self._known) >= MOST_REMEMBERED:
            self._known = {one: known for one, known in self._known.items() if now_s < known.until_s + VALID_S}
        self._known[digest] = _CachedKey(identity, now_s + self._remember_s)
        return identity


def admitted(environ: Environ) -> Identity | None:
    """Return the identity of an admitted request; None on a public route."""
    identity: Identity | None = environ.get(_IDENTITY)
    return identity


def whose(identity: Identity) -> str | None:
    """Return the client whose rows a request asks for, by its parameter `client_id`; None stands for all clients.

    Only the admin gets None, or another client's id.

    raises  Problem (403, 422)
    """
    asked = request.args.get("client_id")
    if identity.role == "admin":
        if asked is not None and not CLIENT_ID.fullmatch(asked):
            raise invalid("?client_id", "is not a valid client id")
        return asked
    if asked not in (None, identity.client_id):
        raise forbidden()
    return identity.client_id


def reader(identity: Identity) -> str | None:
    """Return the client whose rows a key may read; None stands for all clients."""
    return None if identity.role == "admin" else identity.client_id


def _key_and_digest(environ: Environ) -> tuple[str, bytes] | None:
    """Return the key of a request and its hash, computed once; None without a well-formed key.

    Postgres finds keys by their hash, so the time of a look-up reveals nothing about the keys that exist.
    """
    found: tuple[str, bytes] | None
    try:
        found = environ[_KEY_AND_DIGEST]
    except KeyError:
        key = key_of(environ)
        found = environ[_KEY_AND_DIGEST] = None if key is None else (key, hashlib.sha256(key.encode()).digest())
    return found


def key_of(environ: Environ) -> str | None:
    authorization = environ.get("HTTP_AUTHORIZATION")
    key: str | None = environ.get("HTTP_X_API_KEY")
    if authorization is not None:
        scheme, _, bearer = authorization.partition(" ")
        # Two such headers arrive joined by a comma, which no key contains.
        if scheme.lower() != "bearer" or (key is not None and key != bearer):
            return None
        key = bearer
    return key if key is not None and KEY.fullmatch(key) else None
