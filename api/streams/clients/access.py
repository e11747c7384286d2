"""Who asks for a stream: told by the key alone, looked up when the connection is made."""

from __future__ import annotations

from flask import Request

from api.request import auth
from api.request.databases import reading
from api.wire.problems import unauthorized
from db.clearing_data.keys import Identity, find_key
from db.connect import Database


def key_of(request: Request) -> str | None:
    """The key of a request: in the header Authorization or X-API-Key or, for browsers, as the parameter api_key.

    raises  Problem (401)  the header fields have no key
    """
    if "Authorization" in request.headers or "X-API-Key" in request.headers:
        key = auth.Keys.key_of(request.environ)
        if key is None:
            raise unauthorized()
        return key
    return request.args.get("api_key")


def identify(clearing_data: Database, key: object) -> Identity:
    """Whose key it is.

    raises  Problem  401 without a valid key; 503 when that cannot be found out
    """
    if not isinstance(key, str) or not auth.KEY.fullmatch(key):
        raise unauthorized()
    with reading(clearing_data) as tx:
        identity = find_key(tx, key)
    if identity is None:
        raise unauthorized()
    return identity
