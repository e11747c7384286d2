"""API keys: stored as hashes, with a role, valid until they are revoked."""

from __future__ import annotations

from sqlalchemy import text

from db.clearing_data.clients import keys
from db.connect import Database
from tests.support.clearing_rows import revoke_keys


def test_a_key_names_its_client_and_role(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        client = keys.make_key(tx, "SINGLE", role="client", now_us=1)
        admin = keys.make_key(tx, keys.ADMIN, role="admin", now_us=1)
        assert keys.find_key(tx, client) == keys.Identity("SINGLE", "client")
        assert keys.find_key(tx, admin) == keys.Identity("ADMIN", "admin")


def test_only_the_whole_key_opens(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        key = keys.make_key(tx, "SINGLE", role="client", now_us=1)
        for other in ("", key[:-1], key + "x", key.upper(), "SINGLE", "' OR true --", "\x00", "\ud800"):
            assert keys.find_key(tx, other) is None, other


def test_the_database_does_not_know_the_key(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        key = keys.make_key(tx, "SINGLE", role="client", now_us=1)
        stored = str(tx.execute(text("SELECT encode(key_hash, 'escape'), api_keys.* FROM api_keys")).all())
        assert key not in stored
        assert key.removeprefix("sx_") not in stored


def test_a_client_may_have_several_keys_until_they_are_revoked(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        first = keys.make_key(tx, "SINGLE", role="client", now_us=1)
        second = keys.make_key(tx, "SINGLE", role="client", now_us=2)
        others = keys.make_key(tx, "RETAIL", role="client", now_us=2)
        assert first != second
        assert revoke_keys(tx, "SINGLE", now_us=3) == 2
        assert revoke_keys(tx, "SINGLE", now_us=4) == 0
        assert keys.find_key(tx, first) is None
        assert keys.find_key(tx, second) is None
        assert keys.find_key(tx, others) is not None
