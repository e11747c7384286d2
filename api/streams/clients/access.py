"""Identify the client of a stream by its key, once for each connection."""

from __future__ import annotations

from flask import Request

from api.request import auth
from api.request.databases import reading
from api.wire.problems import unauthorized
from db.clearing_data.clients.keys import Identity, find_key
from db.connect import Database


def key_of(request: Request) -> str | None:
    """Return the key of a request: from Authorization or X-API-Key or, for browsers, from the parameter api_key.

    raises  Problem (401)  the header contains no key
    """
    if "Authorization" in request.headers or "X-API-Key" in request.headers:
        key = auth.Keys.key_of(request.environ)
        if key is None:
            raise unauthorized()
        return key
    return request.args.get("api_key")


def identify(clearing_data: Database, key: object) -> Identity:
    """Return the identity behind a key.

    raises  Problem  401 without a valid key; 503 while the database is unreachable
    """
    if not isinstance(key, str) or not auth.KEY.fullmatch(key):
        raise unauthorized()
    with reading(clearing_data) as tx:
        identity = find_key(tx, key)
    if identity is None:
        raise unauthorized()
    return identity
