"""API keys: random, shown once, stored as SHA-256, so that a stolen database opens no account.

A key is 256 bits of randomness, so its hash needs neither salt nor slowness.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, text

Role = Literal["admin", "client"]

# Whose keys are the admin's; no account has this name.
ADMIN = "ADMIN"

_PREFIX = "sx_"  # tells a key from any other secret, to people and to scanners of leaked secrets


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a key belongs to, and what it may do."""

    client_id: str
    role: Role


def make_key(tx: Connection, client_id: str, *, role: Role, now_us: int) -> str:
    """Make another key for a client and return it; it cannot be read again later."""
    key = _PREFIX + secrets.token_urlsafe(32)
    tx.execute(
        text("INSERT INTO api_keys (client_id, key_hash, role, created_us) VALUES (:client_id, :hash, :role, :now_us)"),
        {"client_id": client_id, "hash": _hash(key), "role": role, "now_us": now_us},
    )
    return key


def find_key(tx: Connection, key: str) -> Identity | None:
    """Whose key this is; None when it is unknown or revoked.

    The look-up compares hashes, so its time says nothing about the key.
    """
    row = tx.execute(
        text("SELECT client_id, role FROM api_keys WHERE key_hash = :hash AND revoked_us IS NULL"), {"hash": _hash(key)}
    ).first()
    return Identity(row.client_id, row.role) if row else None


def revoke_keys(tx: Connection, client_id: str, *, now_us: int) -> int:
    """Revoke all keys of a client; returns how many there were."""
    revoked = tx.execute(
        text("UPDATE api_keys SET revoked_us = :now_us WHERE client_id = :client_id AND revoked_us IS NULL"),
        {"client_id": client_id, "now_us": now_us},
    )
    return revoked.rowcount


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
