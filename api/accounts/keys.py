"""Routes of keys: create, list and revoke the keys of an account."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response
from sqlalchemy import Connection

from api.request import query
from api.request.auth import Keys
from api.request.body import read_json
from api.request.databases import reading, writing
from api.request.query import CURSOR, LIMIT
from api.wire.answers import answer, page
from api.wire.answers_schema.accounts import Key, MadeKey
from api.wire.answers_schema.common import Page
from api.wire.declaration import declared
from api.wire.outgoing import time_of
from api.wire.problems import Problem, not_found, unauthorized
from api.wire.schema import NewKey
from api.wire.shapes import shape_of
from celery_app.clock import now_us
from db.clearing_data.clients import accounts
from db.clearing_data.clients import keys as key_store
from db.clearing_data.clients.keys import ADMIN, ApiKey, Identity
from db.connect import Database

# Largest number of valid keys of a client.
MOST_VALID_KEYS = 100

_HOUR_US = 3_600_000_000


def routes(*, keys: Keys, clearing_data: Database, new_per_hour: int) -> Blueprint:
    """Return the routes.

    new_per_hour  keys that a client may create in an hour; as many revoked keys are kept, so that the limit can count
                  every key of the last hour
    """
    blueprint = Blueprint("api_keys", __name__)

    @blueprint.post("/accounts/<client_id>/keys")
    @declared(
        "client_write",
        "Create another key; only this response shows it",
        takes=NewKey,
        gives={201: MadeKey},
        refuses=[409],
    )
    def make(client_id: str) -> Response:
        identity = keys.allowed(client_id)
        asked = shape_of(read_json(), NewKey)
        with writing(clearing_data) as tx:
            _require_account(tx, client_id)
            key_store.lock_keys(tx, client_id)
            _require_still_valid(tx, identity)
            _require_few_new_keys(tx, client_id, most=new_per_hour)
            key_store.delete_revoked(tx, client_id, keep=new_per_hour)
            if key_store.count_valid_keys(tx, client_id) >= MOST_VALID_KEYS:
                raise Problem(409, "too_many_keys", f"the account has {MOST_VALID_KEYS} keys; revoke one first")
            api_key = key_store.make_key(
                tx,
                client_id,
                role="admin" if client_id == ADMIN else "client",
                now_us=now_us(),
                read_only=asked.read_only,
                name=asked.name,
            )
            (made,) = key_store.keys_page(tx, client_id, limit=1)
        return answer(_form(made) | {"api_key": api_key}, 201, {"Cache-Control": "no-store"})

    @blueprint.get("/accounts/<client_id>/keys")
    @declared("client", "The keys of an account", parameters=[LIMIT, CURSOR], gives={200: Page[Key]})
    def every(client_id: str) -> Response:
        keys.allowed(client_id)
        limit, before = query.limit(), query.cursor()
        with reading(clearing_data) as tx:
            _require_account(tx, client_id)
            found = key_store.keys_page(
                tx, client_id, before_key_id=key_store.NEWEST if before is None else before, limit=limit
            )
        return page(found, _form, limit=limit, cursor=lambda key: key.key_id)

    @blueprint.delete("/accounts/<client_id>/keys/<order_id:key_id>")
    @declared("client_write", "Revoke a key for good", gives={200: Key})
    def revoke(client_id: str, key_id: int) -> Response:
        identity = keys.allowed(client_id)
        with writing(clearing_data) as tx:
            key_store.lock_keys(tx, client_id)
            _require_still_valid(tx, identity)
            revoked = key_store.revoke_key(tx, client_id, key_id, now_us=now_us())
        if revoked is None:
            raise not_found("key")
        return answer(_form(revoked))

    return blueprint


class TooManyNewKeys(Problem):
    """429: the client has reached its limit of new keys in an hour."""

    def __init__(self, most: int, wait_us: int) -> None:
        super().__init__(429, "too_many_new_keys", f"an account may create {most} keys in an hour; reuse existing keys")
        self._wait_s = wait_us // 1_000_000 + 1

    def headers(self) -> dict[str, str]:
        """Return the headers of the problem, with the time to wait."""
        return {**super().headers(), "Retry-After": str(self._wait_s)}


def _require_few_new_keys(tx: Connection, client_id: str, *, most: int) -> None:
    asked_us = now_us()
    made, first_us = key_store.made_since(tx, client_id, asked_us - _HOUR_US)
    if made >= most:
        raise TooManyNewKeys(most, first_us + _HOUR_US - asked_us)


def _require_still_valid(tx: Connection, identity: Identity) -> None:
    """Raise Problem (401) if the key of the request is revoked; the api may have looked it up a moment before.

    Else a revoked key could leave another one behind, or revoke the key that replaced it. The caller locks the keys.
    """
    if key_store.revoked_of(tx, [identity.key_id]):
        raise unauthorized()


def _require_account(tx: Connection, client_id: str) -> None:
    """Raise Problem (404) without an account; the admin has keys and no account."""
    if client_id != ADMIN and accounts.account(tx, client_id) is None:
        raise not_found("account")


def _form(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "role": key.role,
        "read_only": key.read_only,
        "created_at": time_of(key.created_us),
        "revoked_at": None if key.revoked_us is None else time_of(key.revoked_us),
    }
