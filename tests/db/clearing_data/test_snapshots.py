"""Snapshots and published marks in Postgres."""

from __future__ import annotations

from sqlalchemy import text

from db.clearing_data import snapshots
from db.connect import Database


def write(database: Database, seq: int, body: bytes = b"body") -> None:
    with database.transaction() as tx:
        snapshots.write(tx, 0, seq=seq, state_hash=f"hash {seq}", body=body, now_us=1)


def kept(database: Database, shard: int = 0, at_most: int = 1_000) -> list[snapshots.Snapshot]:
    with database.transaction() as tx:
        return list(snapshots.newest_first(tx, shard, at_most=at_most))


def mark(database: Database, shard: int = 0) -> int:
    with database.transaction() as tx:
        return snapshots.published_mark(tx, shard)


def test_the_newest_comes_first_and_the_oldest_go(clearing_data: Database) -> None:
    for seq in (10, 20, 30, 40):
        write(clearing_data, seq)
    assert [snapshot.seq for snapshot in kept(clearing_data)] == [40, 30, 20]
    assert [snapshot.seq for snapshot in kept(clearing_data, at_most=39)] == [30, 20]
    assert kept(clearing_data, shard=1) == []


def test_a_snapshot_is_read_as_it_was_written(clearing_data: Database) -> None:
    write(clearing_data, 10, b"\x00\xff body")
    (snapshot,) = kept(clearing_data)
    assert (snapshot.seq, snapshot.state_hash, snapshot.body) == (10, "hash 10", b"\x00\xff body")
    assert snapshot.is_intact


def test_a_damaged_snapshot_says_so(clearing_data: Database) -> None:
    write(clearing_data, 10)
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE snapshots SET body = set_bit(body, 3, 1 - get_bit(body, 3))"))
    assert [snapshot.is_intact for snapshot in kept(clearing_data)] == [False]


def test_a_snapshot_written_again_takes_the_place_of_a_damaged_one(clearing_data: Database) -> None:
    write(clearing_data, 10, b"damaged")
    write(clearing_data, 10, b"whole")
    assert [snapshot.body for snapshot in kept(clearing_data)] == [b"whole"]


def test_the_mark_never_goes_back_and_is_never_behind_a_snapshot(clearing_data: Database) -> None:
    assert mark(clearing_data) == 0
    with clearing_data.transaction() as tx:
        snapshots.move_mark(tx, 0, 15)
        snapshots.move_mark(tx, 0, 12)
    assert mark(clearing_data) == 15
    write(clearing_data, 20)
    assert mark(clearing_data) == 20
    assert mark(clearing_data, shard=1) == 0
