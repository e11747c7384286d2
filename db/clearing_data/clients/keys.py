"""API keys: random, shown once, stored as SHA-256, so that a stolen database opens no account.

A key is 256 bits of randomness, so its hash needs neither salt nor slowness.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection, text

Role = Literal["admin", "client"]

# The owner of the admin's keys; no account has this name.
ADMIN = "ADMIN"

_PREFIX = "sx_"  # lets people and scanners of leaked secrets recognise a key

NEWEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Identity:
    """The owner of a key, and its permissions."""

    client_id: str
    role: Role
    read_only: bool = False
    key_id: int = field(default=0, compare=False)  # which of the client's keys it is
    # How many orders a second the client may send; None: the exchange's default.
    orders_per_s: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The stored facts about a key; the key itself is not stored."""

    key_id: int
    role: Role
    read_only: bool
    name: str | None
    created_us: int
    revoked_us: int | None


def make_key(
    tx: Connection, client_id: str, *, role: Role, now_us: int, read_only: bool = False, name: str | None = None
) -> str:
    """Make another key for a client and return it; it cannot be read again later."""
    key = _PREFIX + secrets.token_urlsafe(32)
    tx.execute(
        text(
            "INSERT INTO api_keys (client_id, key_hash, role, created_us, read_only, name) "
            "VALUES (:client_id, :hash, :role, :now_us, :read_only, :name)"
        ),
        {
            "client_id": client_id,
            "hash": _hash(key),
            "role": role,
            "now_us": now_us,
            "read_only": read_only,
            "name": name,
        },
    )
    return key


def find_key(tx: Connection, key: str) -> Identity | None:
    """Return the identity that a key belongs to; None when the key is unknown or revoked.

    The look-up compares hashes, so its time says nothing about the key.
    """
    row = tx.execute(
        text(
            "SELECT client_id, role, read_only, key_id, orders_per_s "
            "FROM api_keys LEFT JOIN accounts USING (client_id) WHERE key_hash = :hash AND revoked_us IS NULL"
        ),
        {"hash": _hash(key)},
    ).first()
    return Identity(*row) if row else None


def keys_page(tx: Connection, client_id: str, *, before_key_id: int = NEWEST, limit: int) -> list[ApiKey]:
    """Return a client's keys, revoked ones too, newest first."""
    rows = tx.execute(
        text(
            "SELECT key_id, role, read_only, name, created_us, revoked_us FROM api_keys "
            "WHERE client_id = :client_id AND key_id < :before ORDER BY key_id DESC LIMIT :limit"
        ),
        {"client_id": client_id, "before": before_key_id, "limit": limit},
    )
    return [ApiKey(*row) for row in rows]


def count_valid_keys(tx: Connection, client_id: str) -> int:
    """Return how many keys of a client are not revoked."""
    query = text("SELECT count(*) FROM api_keys WHERE client_id = :client_id AND revoked_us IS NULL")
    return int(tx.execute(query, {"client_id": client_id}).scalar_one())


def revoke_key(tx: Connection, client_id: str, key_id: int, *, now_us: int) -> ApiKey | None:
    """Revoke one key of a client for good; return None when the client has no such key."""
    row = tx.execute(
        text(
            "UPDATE api_keys SET revoked_us = coalesce(revoked_us, :now_us) "
            "WHERE key_id = :key_id AND client_id = :client_id "
            "RETURNING key_id, role, read_only, name, created_us, revoked_us"
        ),
        {"key_id": key_id, "client_id": client_id, "now_us": now_us},
    ).first()
    return ApiKey(*row) if row else None


def revoke_all(tx: Connection, client_id: str, *, now_us: int) -> None:
    """Revoke all keys of a client for good."""
    query = text("UPDATE api_keys SET revoked_us = :now_us WHERE client_id = :client_id AND revoked_us IS NULL")
    tx.execute(query, {"client_id": client_id, "now_us": now_us})


def revoked_of(tx: Connection, key_ids: Collection[int]) -> set[int]:
    """Return the keys among these that are no longer valid; revoked keys may be deleted already."""
    query = text("SELECT key_id FROM api_keys WHERE key_id = ANY(:key_ids) AND revoked_us IS NULL")
    return set(key_ids) - set(tx.execute(query, {"key_ids": list(key_ids)}).scalars())


def lock_keys(tx: Connection, client_id: str) -> None:
    """Make other transactions that lock a client's keys wait until this one ends."""
    tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('keys of ' || :client_id, 0))"), {"client_id": client_id}
    )


def made_since(tx: Connection, client_id: str, since_us: int) -> tuple[int, int]:
    """Return how many keys of a client were made since a time, and when the first of these was made [us]."""
    query = text(
        "SELECT count(*), coalesce(min(created_us), 0) FROM api_keys "
        "WHERE client_id = :client_id AND created_us > :since"
    )
    count, first_us = tx.execute(query, {"client_id": client_id, "since": since_us}).one()
    return count, first_us


def delete_revoked(tx: Connection, client_id: str, *, keep: int) -> None:
    """Delete a client's revoked keys except the newest `keep`."""
    tx.execute(
        text(
            "DELETE FROM api_keys WHERE key_id IN (SELECT key_id FROM api_keys "
            "WHERE client_id = :client_id AND revoked_us IS NOT NULL ORDER BY key_id DESC OFFSET :keep)"
        ),
        {"client_id": client_id, "keep": keep},
    )


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
