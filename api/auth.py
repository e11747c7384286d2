"""Who sends a request: the key decides, and nothing else does."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from typing import Any

import structlog
from flask import request
from gevent.event import AsyncResult

from api.databases import reading
from api.declaration import Caller
from api.problems import forbidden, invalid, not_found, unauthorized, unavailable
from db.clearing_data import keys
from db.clearing_data.keys import Identity
from db.connect import Database

log = structlog.get_logger()

# Names of accounts, as far as anyone may ask for them.
CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,48}")
KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")

# Where the guard leaves the identity in a request's environment for the view.
_IDENTITY = "exchange.identity"
# A request as WSGI has it.
Environ = dict[str, Any]

_READING = frozenset({"GET", "HEAD"})


@dataclass(slots=True)
class _Known:
    identity: Identity
    until_s: float  # monotonic


class Keys:
    """Looks keys up and remembers them for a moment; who cannot be looked up is not let in.

    remember_s  how long a key is trusted before it is looked up again; a revoked one works for so long
    """

    def __init__(self, clearing_data: Database, *, remember_s: float) -> None:
        self._clearing_data = clearing_data
        self._remember_s = remember_s
        self._known: dict[bytes, _Known] = {}
        self._asked: dict[bytes, AsyncResult] = {}

    def admit(self, caller: Caller, environ: Environ) -> None:
        """Let a request pass, if its key is one of who may call. Raises Problem (401, 403, 503)."""
        if caller == "public":
            return
        identity = self.identify(environ)
        if caller == "admin" and identity.role != "admin":
            raise forbidden()
        if identity.read_only and (caller == "client_write" or environ["REQUEST_METHOD"] not in _READING):
            raise forbidden()
        environ[_IDENTITY] = identity

    def identify(self, environ: Environ | None = None) -> Identity:
        """Whose key came with a request, by default the one that Flask is serving. Raises Problem (401, 503)."""
        if environ is None:
            environ = request.environ
        admitted: Identity | None = environ.get(_IDENTITY)
        if admitted is not None:
            return admitted
        key = key_of(environ)
        # Looked up by its hash: how long that takes says nothing about the keys that exist.
        digest = hashlib.sha256(key.encode()).digest()
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known.until_s:
            return known.identity
        return self._look_up(key, digest)

    def admin(self) -> Identity:
        """The admin, or nobody. Raises Problem (401, 403, 503)."""
        identity = self.identify()
        if identity.role != "admin":
            raise forbidden()
        return identity

    def allowed(self, client_id: str) -> Identity:
        """Who asks for what is a client's: the client or the admin. Raises Problem (401, 403, 404, 503)."""
        identity = self.identify()
        if identity.role != "admin" and identity.client_id != client_id:
            raise forbidden()
        if not CLIENT_ID.fullmatch(client_id):
            raise not_found("account")
        return identity

    def _look_up(self, key: str, digest: bytes) -> Identity:
        """Ask Postgres; who comes with the same key meanwhile waits for the same answer."""
        asked = self._asked.get(digest)
        if asked is None:
            asked = self._asked[digest] = AsyncResult()
            try:
                asked.set(self._ask(key, digest))
            except Exception as fault:  # noqa: BLE001  # each waiter raises it, this request too
                asked.set_exception(fault)
            except BaseException:
                # This request is ended. The others are not, and may ask again.
                asked.set_exception(unavailable("the database"))
                raise
            finally:
                del self._asked[digest]
        identity: Identity = asked.get()
        return identity

    def _ask(self, key: str, digest: bytes) -> Identity:
        with reading(self._clearing_data) as tx:
            identity = keys.find_key(tx, key)
        if identity is None:
            self._known.pop(digest, None)
            raise unauthorized()
        self._known[digest] = _Known(identity, time.monotonic() + self._remember_s)
        return identity


def whose(identity: Identity) -> str | None:
    """Whose rows are asked for, by the parameter `client_id`: a client's own; for the admin None means everybody's.

    raises  Problem (403)  another client's
    """
    asked = request.args.get("client_id")
    if identity.role == "admin":
        if asked is not None and not CLIENT_ID.fullmatch(asked):
            raise invalid("?client_id", "is no name of an account")
        return asked
    if asked not in (None, identity.client_id):
        raise forbidden()
    return identity.client_id


def reader(identity: Identity) -> str | None:
    """Whose rows a key may read; None for everybody's."""
    return None if identity.role == "admin" else identity.client_id


def key_of(environ: Environ) -> str:
    """The key in the header fields of a request, in the form that keys have. Raises Problem (401)."""
    authorization = environ.get("HTTP_AUTHORIZATION")
    key: str | None = environ.get("HTTP_X_API_KEY")
    if authorization is not None:
        scheme, _, bearer = authorization.partition(" ")
        # Two such headers arrive joined by a comma, which no key has.
        if scheme.lower() != "bearer" or (key is not None and key != bearer):
            raise unauthorized()
        key = bearer
    if key is None or not KEY.fullmatch(key):
        raise unauthorized()
    return key
