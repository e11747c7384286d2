"""A snapshot with a readable body that differs from the saved one is damaged."""

from __future__ import annotations

import zlib

from sqlalchemy import text

from db.clearing_data import snapshots
from db.connect import Database


def test_a_body_that_can_be_unpacked_and_is_another_one_is_damaged(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        snapshots.write(tx, 0, seq=7, state_hash="hash", body=b"one", now_us=1)
        tx.execute(text("UPDATE snapshots SET body = :body"), {"body": zlib.compress(b"another")})
    with clearing_data.snapshot() as tx:
        (snapshot,) = snapshots.newest_first(tx, 0, at_most=7)
    assert (snapshot.is_intact, snapshot.body) == (False, b"")
